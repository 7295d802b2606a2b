#!/bin/bash
# The SSD is reset behind homid's back while two tenants run verified I/O: homid notices within a second, provisions the VFs
# again, and both tenants go on where they were, on the same memory. By the kernel's controller reset and by a PCI reset of
# the physical function.
# timeout: 240
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
# seconds_between ID1 ID2: from the last reset to the journal's first entry of homid that has the words, after it.
since() { # WORDS
  journalctl -q -u homid -o short-unix --since "@${began%.*}" | awk -v from="$began" -v words="$1" \
    '$1 >= from && index($0, words) { printf "%.2f", $1 - from; exit }'
}
recovered() { tenants_run && [ "$(journalctl -q -u homid -o cat --since "@${began%.*}" | grep -c '^queue pair created')" -ge 3 ]; }
for way in reset_controller reset; do
  for _ in 1 2 3; do
    sleep 1.2 # the journal's --since has whole seconds
    began=$EPOCHREALTIME
    case $way in
      reset_controller) echo 1 >"/sys/class/nvme/$(controller)/reset_controller" ;;
      reset) echo 1 >"$(pf_device)/reset" ;;
    esac
    wait_for 30 recovered || { journalctl -q -u homid -o short-precise --since "@${began%.*}" | tail -n 60; homictl list vfs; cat /tmp/*.log; fail "not recovered after $way"; }
    note "$way took $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s in all; told after $(since 'function reset') s, the last queue pair after $(journalctl -q -u homid -o short-unix --since "@${began%.*}" | awk -v from="$began" '$1 >= from && /queue pair created/ { last = $1 } END { printf "%.2f", last - from }') s"
  done
done
kill -TERM "$blue" "$green"
wait "$blue" || { cat /tmp/blue.log; fail 'blue saw an error or a miscompare'; }
wait "$green" || { cat /tmp/green.log; fail 'green saw an error or a miscompare'; }
sound /tmp/blue.json /tmp/green.json
for tenant in blue green; do
  note "$tenant: $(jq -r '"\(.recoveries) recoveries, at most \(.outageSeconds) s without a completion"' "/tmp/$tenant.json")"
  [ "$(json recoveries "/tmp/$tenant.json")" -ge 6 ] || fail "$tenant recovered less than 6 times"
done
wait_for 20 nothing_held || { homictl list vfs; fail 'something is still held'; }
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
