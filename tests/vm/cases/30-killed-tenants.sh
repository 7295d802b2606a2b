#!/bin/bash
# Tenants killed at any moment with I/O in flight give everything back, in an order that the IOMMU never complains of,
# while another tenant's verified I/O goes on. Nothing is leaked.
# timeout: 420
kills=120
write_config
# What was just killed still counts for a moment: its end is news to homid.
sed -i 's/"virtualFunctionsMax": 2/"virtualFunctionsMax": 4/; s/"queuePairsMax": 10/"queuePairsMax": 20/' /etc/homi/homid.conf
start_homid
start_as_user green tenant-verify --tenant green --namespace 3 --mode mixed --seconds 3600 --length 4194304 --json >/tmp/green.json
green=$!
killed=0 attached=0 ended=0
round() { # MOMENT DELAY: two processes with a VF and two queue pairs each, killed so many ms after their start or after both attached
  local n tenant status tenants=()
  for n in 0 1; do
    start_as_user blue tenant-verify --tenant blue --namespace 2 --attach fresh --wait 30000 --queue-pairs 2 --mode write-verify \
      --offset $((n * 16777216)) --length 8388608 --seconds 60 >"/tmp/blue$n.out" 2>&1
    tenants+=($!)
  done
  if [ "$1" = attached ]; then
    for n in 0 1; do wait_for 30 grep -q attached "/tmp/blue$n.out" || fail "not attached: $(cat "/tmp/blue$n.out")"; done
  fi
  sleep "$(awk -v ms="$2" 'BEGIN { printf "%.3f", ms / 1000 }')"
  for n in 0 1; do
    tenant=${tenants[$n]} status=0
    { kill -KILL "$tenant" || true; wait "$tenant" || status=$?; } 2>/dev/null # the shell would tell of each
    if [ "$status" = 137 ]; then killed=$((killed + 1)); else ended=$((ended + 1)); cat "/tmp/blue$n.out"; fi
    if grep -q attached "/tmp/blue$n.out"; then attached=$((attached + 1)); fi
  done
}
released() { [ "$(vfs_in_state ready)" = 3 ] && [ "$(admin .leases status)" = 1 ]; }
for _ in 1 2 3 4 5; do round attached 300; done
wait_for 30 released || fail 'the VFs did not come back'
before=$(homid_footprint)
killed=0 attached=0
while [ "$killed" -lt "$kills" ] && [ "$ended" -lt 10 ]; do
  if [ $((killed / 2 % 2)) = 0 ]; then round attached $((RANDOM % 250)); else round started $((RANDOM % 500)); fi
done
wait_for 60 released || { homictl list vfs; homictl list leases; fail 'the VFs did not come back'; }
after=$(homid_footprint)
note "$killed kills, $attached of them with a lease; descriptors, mappings, KiB: $before, then $after"
read -r fds maps rss <<<"$before"
read -r fds_after maps_after rss_after <<<"$after"
equal 'descriptors of homid' "$fds" "$fds_after"
[ "$maps_after" -le $((maps + 4)) ] || fail 'mappings were leaked'
[ "$rss_after" -le $((rss + 1024)) ] || fail 'memory was leaked'
equal 'processes that hold a lease' 1 "$(admin '[.leases[].holders[]] | length' list leases)"
equal 'tenants that ended by themselves' 0 "$ended"
[ "$attached" -ge $((kills / 2)) ] || fail 'too few of them held anything'
kill -0 "$green" || fail 'green died'
kill -TERM "$green"
wait "$green" || fail 'green saw an error or a miscompare'
sound /tmp/green.json
homictl list vfs
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
as_user blue tenant-verify --tenant blue --namespace 2 --length 4194304 --mode write-verify --json >/tmp/after.json
sound /tmp/after.json
