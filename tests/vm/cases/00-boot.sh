#!/bin/bash
# What every other case stands on: the guest's kernel, IOMMU, interrupt remapping, systemd and SSD are what they should be.
# timeout: 60
pf=$(pf_device HOMI0)
note "kernel $(uname -r), PF ${pf##*/}"
equal 'systemd' running "$(systemctl is-system-running)"
[ -n "$(ls -A /sys/class/iommu)" ] || fail 'no IOMMU'
[ -e "$pf/iommu_group" ] || fail 'the PF is in no IOMMU group'
dmesg | grep 'DMAR-IR: Enabled IRQ remapping' >/dev/null || fail 'no interrupt remapping'
equal 'TotalVFs' 4 "$(cat "$pf/sriov_totalvfs")"
equal 'VFs at boot' 0 "$(cat "$pf/sriov_numvfs")"
equal "the PF's driver" nvme "$(basename "$(readlink "$pf/driver")")"
equal 'users' '1001 1002 1003' "$(id -u blue) $(id -u green) $(id -u red)"
equal 'free hugepages' 64 "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)"

name=$(controller HOMI0)
for pair in vqfrt:24 vqprt:3 vqfrsm:6 vifrt:24 viprt:3 vifrsm:6; do
  equal "${pair%:*}" "${pair#*:}" "$(nvme primary-ctrl-caps "/dev/$name" -o json | jq ".${pair%:*}")"
done
[ -b "$(namespace_block HOMI0 1)" ] || fail "the host's namespace has no block device"
refused namespace_block HOMI0 2
