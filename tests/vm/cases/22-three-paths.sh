#!/bin/bash
# The kernel's ext4 on the PF, blue with two processes on one VF and green on another, all at full load for 30 s: no error,
# no miscompare, and homid itself uses less than 50 ms of CPU meanwhile.
# timeout: 240
seconds=36 # the 30 that homid's CPU time is taken over lie within
host=$(namespace_block HOMI0 1)
mkfs.ext4 -q -F "$host"
mkdir -p /mnt/host
mount "$host" /mnt/host
write_config
start_homid
lease=$(homictl vf alloc --tenant blue --device ssd0 --queues 4 --namespace 2 | awk '{ print $1 }')
common=(--mode mixed --seconds "$seconds" --json --hold)
start_as_user blue tenant-verify --tenant blue --lease "$lease" --namespace 2 --offset 0 --length 8388608 "${common[@]}" >/tmp/blue1.json
blue1=$!
start_as_user blue tenant-verify --tenant blue --lease "$lease" --namespace 2 --offset 16777216 --length 8388608 --pattern-seed 2 "${common[@]}" >/tmp/blue2.json
blue2=$!
start_as_user green tenant-verify --tenant green --namespace 3 --queue-pairs 2 --length 16777216 --pattern-seed 3 "${common[@]}" >/tmp/green.json
green=$!
wait_for 60 queues_are 4 || fail 'the tenants did not get their queue pairs'
homictl list queues
homictl list leases
block-verify --mode mixed --seconds "$seconds" --length 16777216 --pattern-seed 4 --json /mnt/host/load >/tmp/host.json & kernel=$!
sleep 4
before=$(homid_cpu)
sleep 30
after=$(homid_cpu)
wait "$kernel" || fail 'the kernel path failed'
for file in blue1 blue2 green; do wait_for 90 grep -q holding "/tmp/$file.json"; done
note "homid used $(((after - before) / 1000)) ms of CPU in 30 s of I/O"
[ $((after - before)) -lt 50000 ] || fail "homid used $((after - before)) us of CPU"
kill "$blue1" "$blue2" "$green"
for tenant in "$blue1" "$blue2" "$green"; do wait "$tenant" || fail 'a tenant failed'; done
for file in blue1 blue2 green; do sed -i /holding/d "/tmp/$file.json"; done
sound /tmp/host.json /tmp/blue1.json /tmp/blue2.json /tmp/green.json
homictl vf free "$lease"
wait_for 20 nothing_held || fail 'something is still held'
umount /mnt/host
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
