#!/bin/bash
# The list of device behaviours that holds the software SSD to the specification, on the emulated SSD: every case is as on
# the software SSD, or listed with the reason why QEMU deviates and found to deviate still.
# timeout: 200
modprobe vfio-pci
report=/run/conformance
homi-conformance --serial HOMI0 --destructive-namespace 2 >"$report" || {
  grep -v '^ok' "$report" | while read -r line; do note "$line"; done
  fail 'homi-conformance'
}
while read -r line; do note "$line"; done < <(grep '^known' "$report")
note "$(tail -n 1 "$report")"
[ "$(grep -c '^ok' "$report")" -ge 150 ] || fail 'less than 150 cases pass'
equal 'oopses' 0 "$(kernel_log 'BUG:\|Oops')"
