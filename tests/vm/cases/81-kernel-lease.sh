#!/bin/bash
# A VF lent through the kernel's nvme driver: the user owns the block device, whatever software they use. It is taken back
# only when nobody has it open or mounted; who has is named.
# timeout: 120
write_config '' '
  { "name": "violet", "users": ["red"], "devices": ["ssd0"], "namespaces": [{ "device": "ssd0", "id": 4 }] }'
sed -i '/"id": 5/s/, { "device": "ssd0", "id": 4 }//' /etc/homi/homid.conf # violet's, then, and not blue's
allow_lending
start_homid
wait_for 30 all_vfs_ready || fail 'the VFs are not ready'
lease_field() { admin ".leases[] | select(.name == \"$lease\") | .$1" list leases; }
gone() { [ -z "$(lease_field name)" ] && all_vfs_ready; }

read -r lease address node generic < <(homictl vf alloc --tenant green --device ssd0 --namespace 3 --kernel)
note "$lease: $address, $node, $generic"
[ -b "$node" ] || fail "$node is no block device"
[ -c "$generic" ] || fail "$generic is no character device"
equal 'owner' green "$(stat -c %U "$node")"
equal 'driver' nvme "$(basename "$(readlink -f "/sys/bus/pci/devices/$address/driver")")"
as_user green block-verify --mode mixed --seconds 3 --length 8388608 --json "$node" >/tmp/green.json
sound /tmp/green.json
refused as_user blue dd if="$node" of=/dev/null bs=4096 count=1 status=none

# As long as it is mounted it is not taken away, and the answer waits.
mkfs.ext4 -q -F "$node"
mkdir -p /mnt/lent
mount "$node" /mnt/lent
echo kept >/mnt/lent/file
homictl vf free "$lease" & freeing=$!
wait_for 10 sh -c "homictl list leases | grep -q '$node is held'" || { homictl list leases; fail 'that it is held is not told'; }
note "$(lease_field reason)"
equal 'the file' kept "$(cat /mnt/lent/file)"
umount /mnt/lent
wait "$freeing" || fail 'freeing failed'
wait_for 20 gone || fail 'the VF did not come back'
equal 'driver afterwards' vfio-pci "$(basename "$(readlink -f "/sys/bus/pci/devices/$address/driver")")"

# To containers it is a device of their own interface, until the lease ends; what cannot be described is not granted.
read -r lease address node generic device < <(homictl vf alloc --tenant green --device ssd0 --namespace 3 --kernel --container)
equal 'the device' "io.homi/lease=$lease" "$device"
jq . "/run/cdi/homi-$lease.json"
equal 'mode of the description' 644 "$(stat -c %a "/run/cdi/homi-$lease.json")"
equal 'its nodes' "$node $generic" "$(jq -r '.devices[0].containerEdits.deviceNodes | map(.path) | join(" ")' "/run/cdi/homi-$lease.json")"
homictl vf free "$lease"
[ ! -e "/run/cdi/homi-$lease.json" ] || fail 'the description outlived its lease'
mount -t tmpfs -o ro none /run/cdi
refused_with 'describing the lease' homictl vf alloc --tenant green --device ssd0 --namespace 3 --kernel --container
umount /run/cdi
equal 'homid' active "$(systemctl is-active homid)"
wait_for 20 gone || fail 'what could not be described was granted'

# A process that has it open is named; an untrusted tenant may have one, of its own namespaces only.
read -r lease address node generic < <(homictl vf alloc --tenant violet --kernel)
equal 'owner' red "$(stat -c %U "$node")"
start_as_user red sh -c 'exec sleep 1000' 3<"$node"
holder=$!
homictl vf free "$lease" & freeing=$!
wait_for 10 sh -c "homictl list leases | grep -q 'process $holder (sleep)'" || { homictl list leases; fail 'the holder is not named'; }
kill "$holder"; wait "$holder" || true
wait "$freeing" || fail 'freeing failed'
wait_for 20 gone || fail 'the VF did not come back'
refused_with 'may not have namespace 3' homictl vf alloc --tenant violet --kernel --namespace 3
wait_for 20 nothing_held || fail 'something is still held'
