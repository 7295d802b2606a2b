#!/bin/bash
# A tenant's device cannot reach what is not the tenant's: data pointers outside its memory change nothing elsewhere while
# a neighbour's I/O goes on, and forged admin commands written by DMA have no effect.
# timeout: 180
write_config
start_homid
start_as_user green tenant-verify --tenant green --namespace 3 --mode mixed --seconds 3600 --length 4194304 --json >/tmp/green.json
green=$!
wait_for 30 queues_are 1
as_user blue tenant-hostile --tenant blue --namespace 2 --seconds 5 prp-outside
note "$(kernel_log 'DMAR:.*fault') lines of IOMMU faults: the stray addresses"
equal 'homid' active "$(systemctl is-active homid)"
as_user blue tenant-hostile --tenant blue --namespace 2 --foreign-namespace 3 --seconds 10 forge-admin
kill -TERM "$green"
wait "$green" || fail 'green saw an error or a miscompare'
sound /tmp/green.json
equal 'controllers of nsid 3' 0 "$(nvme list-ctrl "/dev/$(controller)" -n 3 -o json | jq '.num_ctrl // (.ctrl_list | length)')"
wait_for 30 nothing_held || { homictl list vfs; fail 'something is still held'; }
