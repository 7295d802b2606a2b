#!/bin/bash
# A namespace that two tenants have one after the other, and that is scrubbed between them: what one left the next does not
# read, by the kernel's path either, though its process was killed while it wrote and homid while it scrubbed; and the host
# sees nothing of it meanwhile.
# timeout: 180
write_config
sed -i 's/"id": 2 }/"id": 2, "scrub": "writeZeroes" }/
  s/"id": 3 }\]/"id": 3 }, { "device": "ssd0", "id": 2, "scrub": "writeZeroes" }]/' /etc/homi/homid.conf
allow_lending
start_homid
space() { admin ".namespaces[] | select(.device == \"ssd0\" and .id == 2) | .$1 // \"-\"" list namespaces; }
holder_is() { [ "$(space holder)" = "$1" ]; }
wait_for 60 holder_is - || fail 'what was there before is not scrubbed'
wait_for 30 all_vfs_ready || fail 'the VFs are not ready'

start_as_user blue tenant-verify --tenant blue --namespace 2 --mode mixed --seconds 60 --length 16777216 >/dev/null 2>&1
tenant=$!
wait_for 20 queues_are 1 || fail 'the tenant did not start'
sleep 1
kill -KILL "$tenant"; wait "$tenant" 2>/dev/null || true
wait_for 10 holder_is scrub || fail 'it is not scrubbed'
refused_with 'held by scrub' homictl vf alloc --tenant green --namespace 2 --kernel
[ -z "$(namespace_block HOMI0 2 2>/dev/null || true)" ] || fail 'the host sees the namespace'
kill -KILL "$(homid_pid)"
wait_for 30 systemctl is-active --quiet homid
holder_is scrub || fail 'homid forgot that it was to be scrubbed'
begin=$EPOCHREALTIME
wait_for 60 holder_is - || { homictl list namespaces; fail 'the scrubbing does not end'; }
note "256 MiB scrubbed within $(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"

read -r lease _ node _ < <(homictl vf alloc --tenant green --namespace 2 --kernel)
cmp -n 268435456 "$node" /dev/zero || fail 'green reads what blue left'
as_user green dd if=/dev/urandom of="$node" bs=1M count=8 oflag=direct status=none
homictl vf free "$lease"
wait_for 60 holder_is - || fail 'the scrubbing behind green does not end'
read -r lease _ node _ < <(homictl vf alloc --tenant blue --namespace 2 --kernel)
cmp -n 16777216 "$node" /dev/zero || fail 'blue reads what green left'
homictl vf free "$lease"
wait_for 60 nothing_held || fail 'something is still held'
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
