#!/bin/bash
# The SSD is reset behind homid's back while three tenants run verified I/O, one of them through the relay: homid hears of it,
# provisions the VFs again, and the tenants go on where they were, on the same memory; also when homid is killed at that. (A PCI
# reset of the emulated SSD takes its VFs away for good, unnoticed by the kernel, so the controller is reset.)
# timeout: 240
write_config
cat >/etc/homi/homid.conf.d/50-relayed.conf <<'CONF'
{ "tenants": [{ "name": "blue", "namespaces": [{ "device": "ssd0", "id": 2 }] },
              { "name": "amber", "namespaces": [{ "device": "ssd0", "id": 4 }] }] }
CONF
start_homid
load() { # UID TENANT NAMESPACE ARGUMENTS…
  setpriv --reuid "$1" --regid "$1" --clear-groups "$(command -v tenant-verify)" --tenant "$2" --namespace "$3" \
    --seconds 3600 --length 1048576 --recover --json "${@:4}" >"/tmp/$2.json" 2>"/tmp/$2.log" &
}
load blue blue 2 --queue-pairs 2
blue=$!
load green green 3 --interrupt
green=$!
load 1004 amber 4 --length 32768 --depth 8 # a slow namespace: ten commands a second
amber=$!
tenants_run() { [ "$(vfs_in_state leased)" = $((queues - 1)) ] && queues_are "$queues"; }
queues=4
wait_for 30 tenants_run || { homictl list vfs; cat /tmp/*.log; fail 'the tenants did not get their queue pairs'; }
# entries WORDS: seconds from the reset to each entry of homid in the journal that has the words.
entries() {
  journalctl -q -u homid -o short-unix --since "@${began%.*}" |
    awk -v from="$began" -v words="$1" '$1 >= from && index($0, words) { printf "%.2f\n", $1 - from }'
}
recovered() { [ "$(entries 'queue pair created' | wc -l)" -ge "$queues" ] && tenants_run; }
# reset_ssd [SECONDS]: homid is killed so long after it.
reset_ssd() {
  sleep 1
  began=$EPOCHREALTIME
  echo 1 >"/sys/class/nvme/$(controller)/reset_controller"
  took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
  [ $# = 0 ] || { sleep "$1"; kill -KILL "$(homid_pid)"; }
  wait_for 30 recovered || { homictl list vfs; cat /tmp/*.log; fail 'not recovered'; }
  note "the reset took $took s; from its start, homid knew after $(entries 'function reset' | head -n 1) s, the last queue pair was there after $(entries 'queue pair created' | tail -n 1) s${1:+, homid killed $1 s after it}"
}
# ended TENANT PID RESETS
ended() {
  kill -TERM "$2"
  wait "$2" || { cat "/tmp/$1.log"; fail "$1 saw an error or a miscompare"; }
  sound "/tmp/$1.json"
  note "$1: $(jq -r '"\(.recoveries) recoveries, at most \(.outageSeconds) s without a completion"' "/tmp/$1.json")"
  [ "$(json recoveries "/tmp/$1.json")" -ge "$3" ] || fail "$1 recovered less than $3 times"
}
reset_ssd
reset_ssd
ended amber "$amber" 2
queues=3
wait_for 20 tenants_run || fail "amber's VF was not given back"
reset_ssd 0
reset_ssd 0.3
ended blue "$blue" 4
ended green "$green" 4
equal 'restarts' 2 "$(systemctl show -p NRestarts --value homid)"
wait_for 20 nothing_held || { homictl list vfs; fail 'something is still held'; }
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
