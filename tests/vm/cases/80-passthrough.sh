#!/bin/bash
# A VF lent to an unprivileged user who drives it with a program of their own through vfio-pci: nobody else may, its data are
# the namespace's, and at the end it is taken back from whoever holds it, who is named meanwhile or killed.
# timeout: 200
write_config
start_homid
wait_for 30 all_vfs_ready || fail 'the VFs are not ready'

# Only where the unit allows it, and saying so changes nothing.
refused_with 'may not lend' homictl vf alloc --tenant blue --device ssd0 --namespace 2 --passthrough
refused_with 'may not lend' homictl vf alloc --tenant blue --device ssd0 --namespace 2 --kernel
wait_for 20 nothing_held || fail 'a loan that is not allowed held something'
allow_lending
systemctl daemon-reload
systemctl restart homid

# lend OPTION…: sets lease, address and node.
lend() { read -r lease address node _ < <(homictl vf alloc --tenant blue --device ssd0 --namespace 2 --passthrough "$@"); }
plain() { local user=$1; shift; as_user "$user" vfio-plain "$node" "$address" "$@"; }
hold() { start_as_user blue vfio-plain "$node" "$address" 2 hold >/tmp/holding; holder=$!; wait_for 20 grep -q holding /tmp/holding; }
lease_field() { admin ".leases[] | select(.name == \"$lease\") | .$1" list leases; }
gone() { [ -z "$(lease_field name)" ] && all_vfs_ready; }

lend
homictl list leases
equal 'kind' passthrough "$(lease_field kind)"
equal 'owner of the node' blue "$(stat -c %U "$node")"
plain blue 2 write 7 2048
plain blue 2 verify 7 2048
status=0; plain blue 2 verify 8 1 || status=$?
equal 'another pattern' 3 "$status"
status=0; plain green 2 verify 7 1 || status=$?
equal 'exit status for green' 4 "$status"
refused_with LeaseKindMismatch as_user blue tenant-verify --tenant blue --lease "$lease" --mode none
plain blue 3 attach # on this device an owner of a whole function can: hence trusted tenants only
homictl vf free "$lease"
equal 'owner of the node afterwards' root "$(stat -c %U "$node")"
wait_for 20 gone || fail 'the VF did not come back'
as_user green tenant-verify --tenant green --namespace 3 --length 1048576 --mode write-verify --json >/tmp/green.json
sound /tmp/green.json

# Who does not let go is named, and has lost the namespace all the same.
lend
hold
homictl vf free "$lease" & freeing=$!
wait_for 10 sh -c "homictl list leases | grep -q 'process $holder (vfio-plain)'" || { homictl list leases; fail 'the holder is not named'; }
note "$(lease_field reason)"
equal 'state' ending "$(lease_field state)"
kill -0 "$freeing" || fail 'the lease was freed under its holder'
kill "$holder"; wait "$holder" || true
wait "$freeing" || fail 'freeing failed'
wait_for 20 gone || fail 'the VF did not come back'
lend
hold
homictl vf free --force "$lease" || fail 'freeing by force failed'
if kill -0 "$holder" 2>/dev/null; then fail 'the holder lives'; fi
wait_for 20 gone || fail 'the VF did not come back'

# A lease ends with its process, and with its unit.
refused_with 'there is no no-such.service' homictl vf alloc --tenant blue --device ssd0 --namespace 2 --passthrough --unit no-such.service
sleep 1000 & keeper=$!
lend --pid "$keeper" --kill
hold
kill "$keeper"
wait_for 20 gone || fail 'the lease did not end with its process'
wait "$holder" || true
systemd-run --quiet --unit=vm.service sleep 1000
lend --unit vm.service
equal 'keeper' vm.service "$(lease_field keeper.unit)"
systemctl stop vm.service
wait_for 20 gone || fail 'the lease did not end with its unit'

# It outlives homid: the user drives on, the node and the description stay, and the lease still ends with its process.
sleep 1000 & keeper=$!
lend --pid "$keeper" --kill --container
touch /run/cdi/homi-lease-999.json # as a homid that was killed at the wrong moment leaves behind
hold
kill -KILL "$(homid_pid)"
wait_for 30 systemctl is-active --quiet homid
wait_for 30 [ ! -e /run/cdi/homi-lease-999.json ] || fail 'the description of no lease was left'
equal 'state after the restart' active "$(lease_field state)"
equal 'owner of the node after the restart' blue "$(stat -c %U "$node")"
[ -e "/run/cdi/homi-$lease.json" ] || fail 'the description did not outlive homid'
kill -0 "$holder" || fail 'the holder did not outlive homid'
kill "$keeper"
wait_for 20 gone || fail 'after the restart the lease did not end with its process'
wait "$holder" || true

# Trust, users, and what contradicts itself.
refused_with 'amber .*is not trusted' homictl vf alloc --tenant amber --passthrough
refused_with '1002 is not a user of blue' homictl vf alloc --tenant blue --passthrough --user green
refused_with 'exclude each other' homictl vf alloc --tenant blue --passthrough --kernel
# The data are there, by the kernel's path.
lend
block=$(attach_to_pf HOMI0 2 2>/dev/null || true)
[ -z "$block" ] || note "namespace 2 is attached to the PF beside the VF: $block"
plain blue 2 verify 7 2048
homictl vf free "$lease"
wait_for 20 nothing_held || fail 'something is still held'
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
