#!/bin/bash
# The hostile tenant as an unprivileged user, direct and relayed, beside a victim that is another and relayed: no attack gets
# anywhere, the victim sees no error and no miscompare, homid answers the operator throughout, and nothing is left.
# timeout: 300
write_config '' '
  { "name": "violet", "users": ["blue"], "devices": ["ssd0"], "queuePairsMax": 4, "namespaces": [{ "device": "ssd0", "id": 4 }] }'
sed -i -e '/"id": 5/s/, { "device": "ssd0", "id": 4 }//' -e 's/"name": "green", "trusted": true/"name": "green"/' /etc/homi/homid.conf
sed -i 's/"retrySeconds": 1,/"retrySeconds": 1, "limits": { "connectionsPerUid": 60, "monitors": 40, "monitorsPerUid": 8 },/' /etc/homi/homid.conf
sed -i 's/"memoryMax": "256M"/"memoryMax": "64M"/' /etc/homi/homid.conf
start_homid
before=$(homid_pid)
hostile --socket /run/homi/tenant.sock --admin-socket /run/homi/admin.sock --attacker blue --attacker-uid 1001 \
  --relayed violet --relay-socket /run/homi/relay.sock --victim green --victim-uid 1002 --foreign-namespace 3 \
  --connections-per-uid 60 --monitors 8 --regions 64 --queue-pairs 10 --patience 60 --programs "$HOMI_TESTS/tenants" || fail 'an attack got somewhere'
equal 'homid' "$before" "$(homid_pid)"
wait_for 30 nothing_held || { homictl list vfs; fail 'something is still held'; }
