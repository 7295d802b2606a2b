#!/bin/bash
# The SSD is reset behind homid's back while two tenants run verified I/O: homid hears of it, provisions the VFs again, and both
# tenants go on where they were, on the same memory. (A PCI reset of the emulated SSD takes its VFs away for good, unnoticed by
# the kernel, so the controller is reset.)
# timeout: 240
resets=3
write_config
start_homid
load() { # USER NAMESPACE ARGUMENTS…
  start_as_user "$1" tenant-verify --tenant "$1" --namespace "$2" --mode mixed --seconds 3600 --length 4194304 --recover --json \
    "${@:3}" >"/tmp/$1.json" 2>"/tmp/$1.log"
}
load blue 2 --queue-pairs 2
blue=$!
load green 3 --interrupt
green=$!
tenants_run() { [ "$(vfs_in_state leased)" = 2 ] && queues_are 3; }
wait_for 30 tenants_run
# entries WORDS: seconds from the reset to each entry of homid in the journal that has the words.
entries() {
  journalctl -q -u homid -o short-unix --since "@${began%.*}" |
    awk -v from="$began" -v words="$1" '$1 >= from && index($0, words) { printf "%.2f\n", $1 - from }'
}
recovered() { [ "$(entries 'queue pair created' | wc -l)" -ge 3 ] && tenants_run; }
for _ in $(seq $resets); do
  sleep 1
  began=$EPOCHREALTIME
  echo 1 >"/sys/class/nvme/$(controller)/reset_controller"
  took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
  wait_for 30 recovered || { homictl list vfs; cat /tmp/*.log; fail 'not recovered'; }
  note "the reset took $took s; from its start, homid knew after $(entries 'function reset' | head -n 1) s, the last queue pair was there after $(entries 'queue pair created' | tail -n 1) s"
done
kill -TERM "$blue" "$green"
wait "$blue" || { cat /tmp/blue.log; fail 'blue saw an error or a miscompare'; }
wait "$green" || { cat /tmp/green.log; fail 'green saw an error or a miscompare'; }
sound /tmp/blue.json /tmp/green.json
for tenant in blue green; do
  note "$tenant: $(jq -r '"\(.recoveries) recoveries, at most \(.outageSeconds) s without a completion"' "/tmp/$tenant.json")"
  [ "$(json recoveries "/tmp/$tenant.json")" -ge $resets ] || fail "$tenant recovered less than $resets times"
done
wait_for 20 nothing_held || { homictl list vfs; fail 'something is still held'; }
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
