#!/bin/bash
# A lease over two SSDs, all or nothing, one region at the same address on both; a reservation ahead of its processes.
# timeout: 180
# machine: ssds=2 plain=1
write_config '
  { "name": "ssd0", "serial": "HOMI0", "virtualFunctions": 2, "queuePairs": 3 },
  { "name": "ssd1", "serial": "HOMI1", "virtualFunctions": 1, "queuePairs": 3 }' '
    { "name": "wide", "trusted": true, "users": ["red"], "devices": ["ssd0", "ssd1"], "virtualFunctionsMax": 4,
      "namespaces": [{ "device": "ssd1", "id": 2 }, { "device": "ssd1", "id": 3 }] }'
start_homid
as_user red tenant-verify --tenant wide --device ssd0 --device ssd1 --function 1 --namespace 2 --length 2097152 --json >/tmp/wide.json
sound /tmp/wide.json
wait_for 20 nothing_held 3 || fail 'something is still held'
read -r lease vf0 vf1 < <(homictl vf alloc --tenant wide --device ssd0 --device ssd1 --queues 2)
note "$lease: $vf0 $vf1"
equal 'VFs leased' 2 "$(vfs_in_state leased)"
refused_with 'ssd1' homictl vf alloc --tenant wide --device ssd0 --device ssd1
equal 'VFs leased after the refusal' 2 "$(vfs_in_state leased)"
as_user red tenant-verify --tenant wide --lease "$lease" --function 1 --namespace 3 --length 1048576 --json >/tmp/reserved.json
sound /tmp/reserved.json
reserved_again() { [ "$(vfs_in_state leased)" = 2 ] && [ "$(admin '.leases[0].holders | length' list leases)" = 0 ]; }
wait_for 20 reserved_again || fail 'the reservation did not stand'
start_as_user red tenant-verify --tenant wide --lease "$lease" --function 1 --namespace 3 --mode none --hold >/tmp/hold
holder=$!
wait_for 20 grep -q holding /tmp/hold
refused homictl vf free "$lease"
homictl vf free "$lease" --force
kill "$holder" 2>/dev/null || true
wait "$holder" || true
wait_for 20 nothing_held 3 || { homictl list vfs; fail 'the forced release left something'; }
