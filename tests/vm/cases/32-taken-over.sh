#!/bin/bash
# homid is killed again and again under the verified I/O of two tenants, and they notice nothing: systemd keeps what it had, and
# the next homid takes the VFs, leases and connections over.
# timeout: 120
write_config
start_homid
start_as_user blue tenant-verify --tenant blue --namespace 2 --length 1048576 --seconds 18 --json >/tmp/blue.json
blue=$!
start_as_user green tenant-verify --tenant green --namespace 3 --length 1048576 --seconds 18 --json >/tmp/green.json
green=$!
wait_for 20 queues_are 2 || fail 'the tenants have no queues'
leases=$(admin '[.leases[].name] | sort | join(" ")' list leases)
for _ in 1 2 3 4 5; do
  kill -KILL "$(homid_pid)"
  sleep 1.2
done
equal 'leases after five kills' "$leases" "$(admin '[.leases[].name] | sort | join(" ")' list leases)"
queues_are 2 || fail 'queues were lost'
wait "$blue" || fail 'blue noticed'
wait "$green" || fail 'green noticed'
sound /tmp/blue.json /tmp/green.json
equal 'restarts' 5 "$(systemctl show -p NRestarts --value homid)"
wait_for 20 nothing_held || fail 'something is left'
