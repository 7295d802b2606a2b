#!/bin/bash
# Tenants killed at any moment with I/O in flight give everything back, in an order that the IOMMU never complains of,
# while another tenant's verified I/O goes on. Nothing is leaked. HOMI_KILLS: how many (200).
# timeout: 420
kills=${HOMI_KILLS:-200}
write_config
start_homid
start_as_user green tenant-verify --tenant green --namespace 3 --mode mixed --seconds 3600 --length 4194304 --json >/tmp/green.json
green=$!
round() { # DELAY: a tenant with two queue pairs, killed after that many ms
  start_as_user blue tenant-verify --tenant blue --namespace 2 --attach fresh --wait 30000 --queue-pairs 2 --mode write-verify \
    --length 8388608 --seconds 60 >/tmp/blue.out 2>&1
  local tenant=$!
  sleep "$(awk -v ms="$1" 'BEGIN { printf "%.3f", ms / 1000 }')"
  kill -KILL "$tenant"
  wait "$tenant" 2>/dev/null || true
}
released() { [ "$(vfs_in_state ready)" = 3 ] && [ "$(admin .leases status)" = 1 ]; }
for _ in 1 2 3 4 5; do round 500; done
wait_for 30 released || fail 'the VFs did not come back'
before=$(homid_footprint)
killed=0 loaded=0
while [ "$killed" -lt "$kills" ]; do
  round $((RANDOM % 700))
  killed=$((killed + 1))
  if [ "$(admin .queuePairs status)" -gt 1 ]; then loaded=$((loaded + 1)); fi
done
wait_for 60 released || { homictl list vfs; homictl list leases; fail 'the VFs did not come back'; }
after=$(homid_footprint)
note "$killed kills; in $loaded of them homid was still deleting queues when asked; descriptors, mappings, KiB: $before, then $after"
read -r fds maps rss <<<"$before"
read -r fds_after maps_after rss_after <<<"$after"
equal 'descriptors of homid' "$fds" "$fds_after"
[ "$maps_after" -le $((maps + 4)) ] || fail 'mappings were leaked'
[ "$rss_after" -le $((rss + 1024)) ] || fail 'memory was leaked'
equal 'memory of the leases' 1 "$(admin '[.leases[].holders[]] | length' list leases)"
[ "$killed" -eq "$kills" ] || fail 'not all kills'
kill -0 "$green" || fail 'green died'
pkill -TERM -U green tenant-verify || true
wait "$green" || true
homictl list vfs
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
as_user blue tenant-verify --tenant blue --namespace 2 --length 4194304 --mode write-verify --json >/tmp/after.json
sound /tmp/after.json
