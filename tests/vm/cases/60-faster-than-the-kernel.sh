#!/bin/bash
# A tenant's queue on a VF against a plain io_uring reader on the PF, same namespace, same boot: five alternating pairs. The
# backing completes at once (null-co), so that the paths differ and not the drive. The target is a median of 3.0 on a quiet
# machine; what fails the case is a tenant that is not ahead at all, which a busy one shows as well.
# timeout: 300
seconds=3 depth=32 target=3.0 least=1.0
write_config
start_homid
wait_for 30 nothing_held || fail 'the VFs are not ready'

# perf OPTION…: homi-perf as blue on namespace 5. kernel: the same load on the PF, which has the namespace meanwhile.
perf() { as_user blue homi-perf --tenant blue --namespace 5 --rw randread --block-size 4096 --depth "$depth" --json "$@"; }
kernel() {
  local block
  wait_for 20 nothing_held || fail 'the VF was not given back'
  block=$(attach_to_pf HOMI0 5) || fail 'namespace 5 cannot be attached to the PF'
  uring-read "$block" 4096 "$depth" "$seconds"
  detach_from_pf HOMI0 5
}

for pair in 1 2 3 4 5; do
  perf --runtime "$seconds" >"/tmp/perf-$pair.json" || fail 'homi-perf failed'
  reference=$(kernel)
  jq -r --argjson kernel "$reference" '"\(.iops) \($kernel) \(.iops / $kernel) \(.doorbellWrites / .reads)"' "/tmp/perf-$pair.json" >>/tmp/pairs
  note "pair $pair: $(awk '{ printf "%.0f IOPS on the VF, %.0f by io_uring: %.2f; %.3f doorbell writes per I/O", $1, $2, $3, $4 }' <(tail -n 1 /tmp/pairs))"
  equal 'errors and spurious completions' '0 0' "$(jq -r '"\(.errors) \(.spurious)"' "/tmp/perf-$pair.json")"
done
median=$(awk '{ print $3 }' /tmp/pairs | sort -g | sed -n 3p)
note "median of the ratios: $median (target: $target)"

# In its steady state no thread of homi-perf makes a system call but the one that keeps the time, ten times a second.
start_as_user blue homi-perf --tenant blue --namespace 5 --depth "$depth" --runtime 12 --json >/tmp/traced.json
traced=$!
wait_for 20 queues_are 1
sleep 2
timeout -s INT 4 strace -c -f -p "$traced" -o /tmp/strace || true
wait "$traced" || fail 'the traced homi-perf failed'
cat /tmp/strace
calls=$(awk '$NF != "total" && $4 ~ /^[0-9]+$/ { sum += $4 } END { print sum + 0 }' /tmp/strace)
note "$calls system calls in 4 s; $(jq .reads /tmp/traced.json) I/Os in all"
[ "$calls" -le 100 ] || fail "$calls system calls in 4 s"
awk '$4 > 0.25 { exit 1 }' /tmp/pairs || fail 'more than 0.25 doorbell writes per I/O'
awk -v median="$median" -v least="$least" 'BEGIN { exit !(median >= least) }' || fail "the median is below $least"
