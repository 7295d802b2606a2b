#!/bin/bash
# A polling tenant in its steady state makes no system call per I/O.
# timeout: 120
write_config
start_homid
as_user blue tenant-verify --tenant blue --namespace 2 --mode mixed --seconds 12 --length 4194304 --json >/tmp/blue.json & tenant=$!
wait_for 40 queues_are 1
sleep 4
pid=$(admin '.queuePairs[0].pid' list queues)
timeout -s INT 4 strace -c -f -p "$pid" -o /tmp/strace || true
wait "$tenant" || fail 'the tenant failed'
sound /tmp/blue.json
calls=$(awk '$NF == "total" { print $(NF - 1) == "total" ? 0 : $4 }' /tmp/strace)
cat /tmp/strace
ios=$(jq '.reads + .writes' /tmp/blue.json)
note "${calls:-0} system calls in 4 s; $ios I/Os in all"
[ "$ios" -gt 1000 ] || fail 'there was hardly any I/O'
[ "${calls:-0}" -le 16 ] || fail "$calls system calls"
