#!/bin/bash
# homid by systemd: ready when every VF is, says what it holds, leaves the kernel's own path alone, and takes its VFs away
# when it is stopped.
# timeout: 120
host=$(namespace_block HOMI0 1)
mkfs.ext4 -q -F "$host"
mkdir -p /mnt/host
mount "$host" /mnt/host
write_config
start_homid
equal 'VFs ready' 4 "$(vfs_in_state ready)"
equal 'ready' true "$(admin .ready status)"
systemctl show -p StatusText --value homid | grep 'ssd0' >/dev/null || fail 'STATUS= does not name the device'
homictl status
homictl list vfs
equal 'drivers of the VFs' 'vfio-pci ' "$(for n in 0 1 2 3; do basename "$(readlink "$(pf_device)/virtfn$n/driver")"; done | sort -u | tr '\n' ' ')"
equal 'driver of the PF' nvme "$(basename "$(readlink "$(pf_device)/driver")")"
block-verify --mode write-verify --length 8388608 /mnt/host/file
equal 'queue pairs and vectors of each VF' '5 5' "$(admin '[.virtualFunctions[] | "\(.queuePairs) \(.interrupts)"] | unique[]' list vfs)"
[ "$(journalctl -q -u homid HOMI_DEVICE=ssd0 -o cat | wc -l)" -gt 0 ] || fail 'nothing in the journal under HOMI_DEVICE'
[ "$(journalctl -q -u homid HOMI_VF=0000:01:00.1 -o cat | wc -l)" -gt 0 ] || fail 'nothing in the journal under HOMI_VF'

# The unit has no network, no root, and what rights it has are few. The kernel's device events reach it all the same.
pid=$(homid_pid)
equal 'user of homid' homi "$(stat -c %U "/proc/$pid")"
equal 'capabilities of homid' 0000000000200022 "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")"
equal 'capabilities that it could get' 0000000000200022 "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")"
equal 'interfaces of its network' lo "$(nsenter -t "$pid" -n ls /sys/class/net 2>/dev/null | tr -d ' ' || true)"
nvme reset "/dev/$(controller)"
wait_for 10 sh -c 'journalctl -q -u homid -o cat | grep "the kernel reset the controller"' || fail 'no event of the kernel reached homid'
wait_for 60 all_vfs_ready || fail 'the VFs did not come back'

systemctl stop homid
equal 'VFs after stop' 0 "$(cat "$(pf_device)/sriov_numvfs")"
equal 'result of the unit' success "$(systemctl show -p Result --value homid)"
block-verify --mode verify --length 8388608 /mnt/host/file
start_homid
equal 'VFs ready again' 4 "$(vfs_in_state ready)"
umount /mnt/host
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
