# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# homictl doctor and probe on a machine made of files: one that serves, then one ailment at a time.

put() { mkdir -p "$(dirname "$folder/root$1")"; printf '%s\n' "$2" >"$folder/root$1"; }
link() { mkdir -p "$(dirname "$folder/root$2")"; ln -sfn "$1" "$folder/root$2"; }

# A PF with two VFs bound to vfio-pci, each in a group of its own.
healthy_machine() {
  local pci=/sys/bus/pci/devices function
  put /proc/sys/kernel/osrelease 6.1.0-18-amd64
  put /proc/cmdline 'root=/dev/sda1 intel_iommu=on'
  put /proc/interrupts ' 24:  0  IR-PCI-MSI 524288-edge nvme0q0'
  put /sys/class/iommu/dmar0/name dmar0
  put /sys/bus/pci/drivers/vfio-pci/bind ''
  put /dev/vfio/vfio ''
  put /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 512
  put /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 500
  put /etc/group 'homi:x:998:'
  put $pci/0000:01:00.0/class 0x010802
  put $pci/0000:01:00.0/sriov_totalvfs 8
  put $pci/0000:01:00.0/sriov_numvfs 2
  put $pci/0000:01:00.0/sriov_drivers_autoprobe 0
  link ../../../../bus/pci/drivers/nvme $pci/0000:01:00.0/driver
  link ../../../bus/pci/devices/0000:01:00.0 /sys/class/nvme/nvme0/device
  put /sys/class/nvme/nvme0/serial 'S1   '
  put /sys/class/nvme/nvme0/model 'Model X   '
  put /sys/class/nvme/nvme0/firmware_rev 1.0
  for function in 1 2; do
    put $pci/0000:01:00.$function/class 0x010802
    link ../0000:01:00.0 $pci/0000:01:00.$function/physfn
    link ../../../../bus/pci/drivers/vfio-pci $pci/0000:01:00.$function/driver
    link ../../../../kernel/iommu_groups/$function $pci/0000:01:00.$function/iommu_group
    link ../0000:01:00.$function $pci/0000:01:00.0/virtfn$((function - 1))
    put /sys/kernel/iommu_groups/$function/devices/0000:01:00.$function ''
  done
}

doctor() { homictl doctor --root "$folder/root" --json 2>/dev/null || [ $? -eq 5 ]; }
# verdict CHECK: the worst of that name. mend CHECK: what is to be done about it.
verdict() { doctor | jq -r --arg check "$1" '[.findings[] | select(.check == $check) | .verdict] | if index("bad") then "bad" elif index("warning") then "warning" else .[0] // "none" end'; }
mend() { doctor | jq -r --arg check "$1" '[.findings[] | select(.check == $check) | .mend] | first'; }

case_doctor_finds_nothing_wrong_with_a_machine_that_serves() {
  local bad
  HOMI_ADMIN_SOCKET=$folder/none HOMI_TENANT_SOCKET=$folder
  export HOMI_ADMIN_SOCKET HOMI_TENANT_SOCKET
  healthy_machine
  bad=$(doctor | jq -r '.findings[] | select(.verdict == "bad") | .text')
  equal 'what is bad' '' "$bad"
  status_of 0 homictl doctor --root "$folder/root" >"$folder/said"
  says '^ok +SR-IOV +nvme0 \(Model X, 0000:01:00.0\): 2 of 8 virtual functions enabled$' "$(cat "$folder/said")"
  # No homid answers, so the functions are somebody's or stale.
  equal 'functions without homid' warning "$(verdict 'stale functions')"
  says 'echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs' "$(mend 'stale functions')"
}

case_doctor_names_each_ailment_with_its_cure() {
  export HOMI_ADMIN_SOCKET=$folder/none HOMI_TENANT_SOCKET=$folder
  local pci=$folder/root/sys/bus/pci/devices
  ail() { healthy_machine; eval "$1"; equal "$2" "$3" "$(verdict "$2")"; rm -rf "$folder/root"; }
  ail 'put /proc/sys/kernel/osrelease 5.15.0' kernel bad
  ail 'put /proc/cmdline "quiet intel_iommu=off"' 'kernel command line' bad
  ail 'put /proc/cmdline "quiet notiommu=off"' 'kernel command line' ok
  ail 'rm -r "$folder/root/sys/kernel/iommu_groups"' IOMMU bad
  ail 'put /proc/interrupts " 24: 0 PCI-MSI"' 'interrupt remapping' bad
  ail 'put /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts Y' 'unsafe interrupts' bad
  ail 'rm "$folder/root/dev/vfio/vfio"' vfio warning
  ail 'put /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 0' hugepages warning
  ail 'put /etc/group "other:x:998:"' 'group homi' warning
  ail 'rm "$pci"/*/sriov_totalvfs' SSDs bad
  ail 'put /sys/bus/pci/devices/0000:01:00.0/sriov_totalvfs 0' SR-IOV bad
  ail 'put /sys/bus/pci/devices/0000:01:00.0/sriov_drivers_autoprobe 1' SR-IOV warning
  ail 'ln -sfn ../../drivers/nvme "$pci/0000:01:00.1/driver"' 'virtual functions' bad
  ail 'put /sys/kernel/iommu_groups/1/devices/0000:00:1f.0 ""' 'IOMMU groups' bad
  ail 'ln -sfn ../../drivers/vfio-pci "$pci/0000:01:00.0/driver"' driver warning
  ail 'rm -r "$folder/root/sys/class/nvme"' SSDs bad
  equal 'without a machine' 5 "$(homictl doctor --root "$folder/nothing" >/dev/null || echo $?)"
}

case_doctor_asks_homid_that_answers() {
  start_homid
  healthy_machine
  equal 'homid' ok "$(verdict homid)"
  equal 'socket' ok "$(verdict "tenants' socket")"
  equal 'namespaces that the host has' none "$(verdict namespaces)"
}

# The bytes at an offset of a configuration space.
poke() { printf '%b' "$2" | dd of="$folder/root/sys/bus/pci/devices/0000:01:00.0/config" bs=1 seek=$(($1)) conv=notrunc 2>/dev/null; }

case_probe_reads_the_configuration_space() {
  export HOMI_ADMIN_SOCKET=$folder/none
  local report config
  healthy_machine
  config=$folder/root/sys/bus/pci/devices/0000:01:00.0/config
  head -c 4096 /dev/zero >"$config"
  poke 0 '\x36\x1b\x10\x00'            # vendor and device
  poke 0x34 '\x40'
  poke 0x40 '\x11\x60\x40\x00'         # MSI-X of 65 vectors, then PCI Express
  poke 0x60 '\x10\x00\x02\x00\x00\x00\x00\x10' # with FLR
  poke 0x100 '\x0d\x00\x01\x12'        # ACS, then SR-IOV at 0x120
  poke 0x120 '\x10\x00\x01\x00'
  poke 0x12c '\x08\x00\x10\x00\x02\x00\x00\x00\x01\x00\x01\x00'
  printf '0xf0000000 0xf0003fff 0x140204\n0x0 0x0 0x0\n' >"$(dirname "$config")/resource"
  put /sys/bus/pci/devices/0000:01:00.0/reset_method 'flr bus'
  report=$(homictl probe --root "$folder/root" --json)
  equal 'SR-IOV' '8 16 2 1 1' "$(jq -r '.devices[0].pci.sriov | "\(.initialVirtualFunctions) \(.totalVirtualFunctions) \(.virtualFunctions) \(.firstOffset) \(.stride)"' <<<"$report")"
  equal 'the rest' '6966 65 true true false 16384 flr bus' "$(jq -r '.devices[0].pci | "\(.vendorId) \(.msixVectors) \(.functionLevelReset) \(.acs) \(.ats) \(.bars[0].bytes) \(.resetMethods)"' <<<"$report")"
  says '^ +msixVectors: 65$' "$(homictl probe S1 --root "$folder/root")"
  says 'cannot probe nvme7' "$(status_of 4 homictl probe nvme7 --root "$folder/root")"
  # A chain that leads back to itself ends.
  poke 0x41 '\x40'
  poke 0x102 '\x01\x10'
  equal 'with a loop' false "$(homictl probe --root "$folder/root" --json | jq '.devices[0].pci.functionLevelReset')"
  truncate -s 64 "$config"
  equal 'as an ordinary user' null "$(homictl probe --root "$folder/root" --json | jq '.devices[0].pci.msixVectors')"
}
