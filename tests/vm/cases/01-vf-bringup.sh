#!/bin/bash
# Brings two VFs up by hand (nvme-cli and sysfs), as homid will, takes them down again, and pins down what the emulated SSD
# does with namespaces on the way:
#  - nsid 2 can be attached to a VF and to the PF at once (QEMU 7.2.22; 10.0.2 refuses the VF what the PF has);
#    with the PF it becomes a block device after a rescan and vanishes after detach and rescan;
#  - nsid 1 is private: a VF is refused it (0x119); attaching twice is refused (0x118);
#  - offline gives a controller's VQ and VI back, and numvfs = 0 drops the attachments of its VFs.
# timeout: 90
pf=$(pf_device HOMI0)
ssd=/dev/$(controller HOMI0)

secondary() { # CNTLID FIELD
  nvme list-secondary "$ssd" -e 4 | awk -v id="$(printf '0x%04x' "$1")" -v field="$2" '
    $1 == "SCID" { mine = ($NF == id) }
    mine && $1 == field { sub(/.*: /, ""); print $1; exit }'
}

modprobe vfio-pci
echo 0 >"$pf/sriov_drivers_autoprobe"
for c in 1 2; do
  nvme virt-mgmt "$ssd" -c $c -r 0 -n 6 -a 8
  nvme virt-mgmt "$ssd" -c $c -r 1 -n 6 -a 8
done
note 'more queues than VQFRSM, and online before the VF is there, are refused'
refused_with 'Number of Controller Resources' nvme virt-mgmt "$ssd" -c 3 -r 0 -n 7 -a 8
refused_with 'Secondary Controller State' nvme virt-mgmt "$ssd" -c 1 -a 9
echo 2 >"$pf/sriov_numvfs"
for c in 1 2; do
  nvme virt-mgmt "$ssd" -c $c -a 9
  equal "state of $c" 0x0001 "$(secondary $c SCS)"
  equal "queues of $c" 0x0006 "$(secondary $c NVQ)"
  equal "vectors of $c" 0x0006 "$(secondary $c NVI)"
  vf=$(readlink -f "$pf/virtfn$((c - 1))")
  echo vfio-pci >"$vf/driver_override"
  basename "$vf" >/sys/bus/pci/drivers_probe
  equal "driver of ${vf##*/}" vfio-pci "$(basename "$(readlink "$vf/driver")")"
  group=$(basename "$(readlink "$vf/iommu_group")")
  wait_for 5 test -c "/dev/vfio/$group" || fail "no group node of ${vf##*/}"
  equal "devices in group $group" 1 "$(find "/sys/kernel/iommu_groups/$group/devices" -mindepth 1 | wc -l)"
  note "VF ${vf##*/}: controller $c, group $group, $(lspci -vv -s "${vf##*/}" | grep -o 'MSI-X: .*')"
done

nvme attach-ns "$ssd" -n 2 -c 1
block=$(attach_to_pf HOMI0 2)
equal 'controllers of nsid 2' '0 1' "$(nvme list-ctrl "$ssd" -n 2 -o json | jq -r '[.ctrl_list[].ctrl_id] | join(" ")')"
note "nsid 2 on the PF is $block"
printf 'homi' | dd of="$block" bs=512 conv=sync oflag=direct status=none
equal 'read back' homi "$(dd if="$block" bs=512 count=1 iflag=direct status=none | tr -d '\0')"
detach_from_pf HOMI0 2
wait_for 5 test ! -e "$block" || fail "$block is still there"
refused_with 'Namespace Is Private' nvme attach-ns "$ssd" -n 1 -c 1
refused_with 'Already Attached' nvme attach-ns "$ssd" -n 2 -c 1

for c in 1 2; do
  nvme virt-mgmt "$ssd" -c $c -a 7
  equal "state of $c" 0x0000 "$(secondary $c SCS)"
  equal "queues of $c" 0x0000 "$(secondary $c NVQ)"
done
echo 0 >"$pf/sriov_numvfs"
equal 'controllers of nsid 2' '' "$(nvme list-ctrl "$ssd" -n 2 -o json | jq -r '[.ctrl_list[].ctrl_id] | join(" ")')"
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
