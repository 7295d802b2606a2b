#!/bin/bash
# With interrupts and one command outstanding on a drive of 10 IOPS a tenant sleeps: under 1 % of a CPU.
# timeout: 120
write_config
start_homid
as_user blue tenant-verify --tenant blue --namespace 4 --mode read --interrupt --depth 1 --seconds 20 --json >/tmp/slow.json
equal 'errors' 0 "$(json errors /tmp/slow.json)"
note "$(jq -r '"\(.reads) reads in \(.seconds) s, \(.cpuSeconds) s of CPU"' /tmp/slow.json)"
[ "$(json reads /tmp/slow.json)" -ge 100 ] || fail 'the drive is slower than it should be'
jq -e '.cpuSeconds < .seconds * 0.01' /tmp/slow.json >/dev/null || fail 'more than 1 % CPU'
wait_for 20 nothing_held || fail 'something is still held'
