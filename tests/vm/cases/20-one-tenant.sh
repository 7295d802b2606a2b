#!/bin/bash
# What a tenant wrote the kernel reads back, and the reverse, byte for byte; the example of libhomi(3) works; polled and
# with interrupts, small and large blocks, huge pages.
# timeout: 180
write_config
start_homid
tenant() { as_user blue tenant-verify --tenant blue --namespace 2 --json "$@"; }

tenant --mode write --length 16777216 --pattern-seed 71 >/tmp/write.json
wait_for 20 nothing_held || fail 'the lease was not given back'
block=$(attach_to_pf HOMI0 2)
block-verify --mode verify --length 16777216 --pattern-seed 71 "$block"
note 'the kernel read what the tenant wrote'
block-verify --mode write --length 16777216 --pattern-seed 72 "$block"
detach_from_pf HOMI0 2
tenant --mode verify --length 16777216 --pattern-seed 72 >/tmp/verify.json
sound /tmp/verify.json
note 'the tenant read what the kernel wrote'

tenant --mode write-verify --length 8388608 --block-bytes 131072 --depth 8 --hugepages >/tmp/large.json
tenant --mode write-verify --length 2097152 --block-bytes 512 --depth 63 >/tmp/small.json
tenant --mode write-verify --length 4194304 --queue-pairs 3 --interrupt >/tmp/interrupt.json
tenant --mode write-verify --length 4194304 --depth 1 >/tmp/one.json
sound /tmp/large.json /tmp/small.json /tmp/interrupt.json /tmp/one.json
as_user blue first-tenant blue
wait_for 20 nothing_held || fail 'something is still held'
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
