#!/bin/bash
# A device that cannot be what the configuration wants is quarantined with its reason; the other serves on. One that has
# no SR-IOV, one whose functions share their IOMMU group and one that is not there are named too.
# timeout: 120
# machine: ssds=2 plain=1 shared=1
write_config '
  { "name": "ssd0", "serial": "HOMI0", "virtualFunctions": 2, "queuePairs": 3, "interrupts": 2 },
  { "name": "greedy", "serial": "HOMI1", "virtualFunctions": 4, "queuePairs": 99 },
  { "name": "plain", "serial": "PLAIN0", "virtualFunctions": 1, "queuePairs": 1 },
  { "name": "unisolated", "serial": "SHARED0", "virtualFunctions": 2, "queuePairs": 2, "interrupts": 2 },
  { "name": "missing", "serial": "NOWHERE", "virtualFunctions": 1, "queuePairs": 1 }' '
  { "name": "violet", "trusted": true, "users": ["red"], "devices": ["unisolated"] }'
start_homid
homictl list devices
status=0; homictl status || status=$?
equal 'exit status of status' 5 "$status"
equal 'ssd0' ready "$(admin '.devices[] | select(.name == "ssd0") | .state' list devices)"
for name in greedy plain; do
  equal "$name" quarantined "$(admin ".devices[] | select(.name == \"$name\") | .state" list devices)"
  reason=$(admin ".devices[] | select(.name == \"$name\") | .reason" list devices)
  case $reason in "" | null) fail "$name has no reason" ;; esac
  note "$name: $reason"
done
admin '.devices[] | select(.name == "missing") | .state' list devices | grep -E '^(absent|quarantined)$' >/dev/null || fail 'missing is neither absent nor quarantined'
equal 'VFs of ssd0' '2' "$(vfs_in_state ready)"
equal 'VFs of unisolated' '2' "$(admin '[.virtualFunctions[] | select(.device == "unisolated" and .state == "quarantined")] | length' list vfs)"
admin '.virtualFunctions[] | select(.device == "unisolated") | .reason' list vfs | grep -E '^IOMMU group [0-9]+ holds other devices$' >/dev/null ||
  fail 'the reason is not the group'
refused_with 'GroupNotViable' as_user red tenant-verify --tenant violet --mode none
as_user green tenant-verify --tenant green --namespace 3 --length 1048576 --mode write-verify --json >/tmp/green.json
sound /tmp/green.json
refused_with 'permi' as_user red homictl status
