#!/bin/bash
# A polling tenant in its steady state makes no system call per I/O.
# timeout: 120
write_config
start_homid
start_as_user blue tenant-verify --tenant blue --namespace 2 --mode mixed --seconds 3600 --length 4194304 --json >/tmp/blue.json
tenant=$!
wait_for 40 queues_are 1
sleep 4
pid=$(admin '.queuePairs[0].pid' list queues)
timeout -s INT 4 strace -c -f -p "$pid" -o /tmp/strace || true
kill -TERM "$tenant"
wait "$tenant" || fail 'the tenant failed'
sound /tmp/blue.json
cat /tmp/strace
# rt_sigreturn is the return from the tenant's own timer signal, ten times a second, by which it knows when to stop.
calls=$(awk '$NF != "total" && $NF != "rt_sigreturn" && $4 ~ /^[0-9]+$/ { sum += $4 } END { print sum + 0 }' /tmp/strace)
ios=$(jq '.reads + .writes' /tmp/blue.json)
note "$calls system calls but for the timer's in 4 s; $ios I/Os in all"
[ "$ios" -gt 10000 ] || fail 'there was hardly any I/O'
[ "$calls" -le 8 ] || fail "$calls system calls"
