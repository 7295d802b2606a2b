#!/bin/bash
# homid is killed again and again, and the doorbell relay, and both at once, under the verified I/O of a trusted tenant and one
# that nobody trusts, and they notice nothing: systemd keeps what homid had, the next one takes the VFs, leases, doorbells and
# connections over, and tells the next relay.
# timeout: 120
write_config
cat >/etc/homi/homid.conf.d/50-relayed.conf <<'CONF'
{ "tenants": [{ "name": "green", "namespaces": [] },
              { "name": "amber", "namespaces": [{ "device": "ssd0", "id": 3 }] }] }
CONF
start_homid
relay_pid() { systemctl show -p MainPID --value homid-relay; }
relay_runs() { [ "$(relay_pid)" -gt 0 ]; }
start_as_user blue tenant-verify --tenant blue --namespace 2 --length 1048576 --seconds 300 --json >/tmp/blue.json
blue=$!
setpriv --reuid 1004 --regid 1004 --clear-groups "$(command -v tenant-verify)" --tenant amber --namespace 3 --queue-pairs 2 \
  --length 1048576 --seconds 300 --json >/tmp/amber.json & amber=$!
wait_for 20 queues_are 3 || fail 'the tenants have no queues'
wait_for 10 relay_runs || fail 'no relay runs'
leases=$(admin '[.leases[].name] | sort | join(" ")' list leases)
start_as_user green tenant-calls --longest 5 >/tmp/calls.json
calls=$!
first=$(relay_pid)
for victims in homid homid homid-relay 'homid-relay homid' homid 'homid homid-relay'; do
  pids=$(for victim in $victims; do systemctl show -p MainPID --value "$victim"; done)
  # shellcheck disable=SC2086 # one or two of them
  kill -KILL $pids
  [ "$victims" != homid ] || equal 'the relay' "$first" "$(relay_pid)"
  sleep 1
  wait_for 10 relay_runs || fail "no relay runs after $victims ended"
  first=$(relay_pid)
done
equal 'leases after the kills' "$leases" "$(admin '[.leases[].name] | sort | join(" ")' list leases)"
queues_are 3 || fail 'queues were lost'
kill "$calls"
wait "$calls" || fail 'a call was not answered'
note "a call that homid ended under: $(jq -r '"\(.longestMedianMs) ms, the worst \(.worstMs) ms; otherwise \(.medianMs) ms (\(.calls) calls)"' /tmp/calls.json)"
kill "$blue" "$amber" # they end their passes
wait "$blue" || fail 'blue noticed'
wait "$amber" || fail 'amber noticed'
sound /tmp/blue.json /tmp/amber.json
equal 'restarts' 5 "$(systemctl show -p NRestarts --value homid)"
wait_for 20 nothing_held || fail 'something is left'
