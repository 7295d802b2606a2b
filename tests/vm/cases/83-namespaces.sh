#!/bin/bash
# The operator's namespaces on a real kernel: given to the host and taken from it, formatted, and refused while the host uses
# them or a lease has them. doctor and probe look at the same machine.
# timeout: 180
write_config
start_homid
homictl namespace attach ssd0:3
block=$(namespace_block HOMI0 3) || { wait_for 10 namespace_block HOMI0 3; block=$(namespace_block HOMI0 3); }
mkfs.ext4 -q -F "$block"
mkdir -p /tmp/mounted
mount "$block" /tmp/mounted
refused_with 'held by host' homictl namespace detach ssd0:3
refused_with 'held by host' homictl namespace format ssd0:3 --yes
umount /tmp/mounted
homictl namespace format ssd0:3 --yes
if blkid -p "$block" | grep -q ext4; then fail 'the file system is still there after the format'; fi
homictl namespace detach ssd0:3
wait_for 10 sh -c "! [ -b '$block' ]"
equal 'holder' null "$(admin '.namespaces[] | select(.id == 3) | .holder' list namespaces)"
homictl namespace format ssd0:3 --yes
equal 'holder after a format' null "$(admin '.namespaces[] | select(.id == 3) | .holder' list namespaces)"
lease=$(admin .lease vf alloc --tenant blue)
refused_with 'held by blue' homictl namespace format ssd0:2 --yes
refused_with 'held by blue' homictl namespace attach ssd0:2
homictl vf free "$lease"

said=$(homictl doctor) || { echo "$said"; fail 'doctor finds something bad'; }
grep -q '^ok *IOMMU ' <<<"$said" || fail "doctor: $said"
grep -q '^ok *interrupt remapping' <<<"$said" || fail "doctor: $said"
homictl probe --json >/tmp/probe
equal 'functions that the SSD can have' 4 "$(jq '.devices[] | select(.serial == "HOMI0") | .pci.sriov.totalVirtualFunctions' /tmp/probe)"
[ "$(jq '.devices[] | select(.serial == "HOMI0") | .nvme.primaryController.queuesPerSecondary' /tmp/probe)" -gt 2 ] || fail 'no queues for secondary controllers'
[ "$(jq '.devices[] | select(.serial == "HOMI0") | .nvme.adminCommands | length' /tmp/probe)" -gt 5 ] || fail 'no admin commands'
[ "$(jq '.lifecycle["opening the function"].count' /tmp/probe)" -ge 4 ] || fail 'no timings'
note "$(jq -c '.lifecycle' /tmp/probe)"
