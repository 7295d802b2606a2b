#!/bin/bash
# Becomes QEMU with the guest: an emulated IOMMU with interrupt remapping and NVMe SSDs with SR-IOV (PF + 4 VFs each).
# The guest's virtio port "homi" is this process's standard output; the console goes to FOLDER/console.log. Nothing that
# the guest writes to its root disk is kept.
#
# Usage: boot.sh IMAGE-FOLDER PAYLOAD FOLDER [KEY=VALUE]…
#   ssds=N        SSDs with SR-IOV, serial numbers HOMI0, HOMI1 … (1)
#   plain=N       SSDs without SR-IOV, serial numbers PLAIN0 … (0)
#   shared=N      SSDs with SR-IOV behind a port without ACS, so that one IOMMU group holds all their functions; serial
#                 numbers SHARED0 … (0)
#   namespaces=N  of the first SSD (5): 1 the host's, attached to the PF; 2 blue, 3 green, 4 throttled to 10 IOPS, 5 without
#                 a medium (reads are zeroes), each attached to nothing. A further SSD has the first three.
# Environment: HOMI_VM_ACCEL=kvm instead of emulation, HOMI_VM_MEMORY (MiB), HOMI_VM_CPUS, HOMI_VM_APPEND (to the
# kernel's command line).
set -euo pipefail
image=$1 payload=$2 folder=$3
shift 3
ssds=1 plain=0 shared=0 namespaces=5
for setting; do
  case $setting in
    ssds=[0-9] | plain=[0-9] | shared=[0-9] | namespaces=[1-5]) declare "$setting" ;;
    *) echo "boot.sh: unknown setting '$setting'" >&2; exit 2 ;;
  esac
done

accelerator=(-accel "tcg,thread=multi" -cpu "max,la57=off")
if [ "${HOMI_VM_ACCEL:-tcg}" = kvm ]; then accelerator=(-accel kvm -cpu host); fi
devices=()

# backing ID SIZE [OPTION]: a sparse file; host flushes are skipped because no guest outlives its backing files.
backing() {
  truncate -s "$2" "$folder/$1.img"
  devices+=(-drive "if=none,id=$1,format=raw,cache=unsafe,discard=unmap,file=$folder/$1.img${3:+,$3}")
}

# A VF gets its share of the flexible resources: 24 / 4 = 6 queues (admin and 5 I/O) and 6 vectors. The PF keeps 3 of each.
sriov_ssd() {
  local s=$1 count=$2 id=ssd$1 attached='shared=on,detached=on'
  devices+=(-device "pcie-root-port,id=port-$id,chassis=$((s + 1)),slot=$((s + 1))"
    -device "nvme-subsys,id=subsys-$id,nqn=homi-test-$s"
    -device "nvme,id=$id,bus=port-$id,serial=HOMI$s,subsys=subsys-$id,sriov_max_vfs=4,$(
      )sriov_vq_flexible=24,max_ioqpairs=26,sriov_vi_flexible=24,msix_qsize=27")
  # The host's namespace is private to the PF: it can never be attached to a VF while the kernel has it mounted.
  backing "$id-1" 256M; devices+=(-device "nvme-ns,bus=$id,drive=$id-1,nsid=1,shared=off")
  if [ "$count" -ge 2 ]; then backing "$id-2" 256M; devices+=(-device "nvme-ns,bus=$id,drive=$id-2,nsid=2,$attached"); fi
  if [ "$count" -ge 3 ]; then backing "$id-3" 256M; devices+=(-device "nvme-ns,bus=$id,drive=$id-3,nsid=3,$attached"); fi
  if [ "$count" -ge 4 ]; then
    backing "$id-4" 64M throttling.iops-total=10
    devices+=(-device "nvme-ns,bus=$id,drive=$id-4,nsid=4,$attached")
  fi
  if [ "$count" -ge 5 ]; then
    devices+=(-blockdev "driver=null-co,node-name=$id-5,size=1073741824,read-zeroes=on"
      -device "nvme-ns,bus=$id,drive=$id-5,nsid=5,$attached")
  fi
}

for ((s = 0; s < ssds; s++)); do sriov_ssd "$s" $((s == 0 ? namespaces : 3)); done
for ((p = 0; p < plain; p++)); do
  backing "plain$p" 64M
  devices+=(-device "pcie-root-port,id=port-plain$p,chassis=$((p + 16)),slot=$((p + 16))"
    -device "nvme,id=plain$p,bus=port-plain$p,serial=PLAIN$p,drive=plain$p")
done

for ((p = 0; p < shared; p++)); do
  backing "shared$p" 64M
  devices+=(-device "pcie-root-port,id=port-shared$p,chassis=$((p + 32)),slot=$((p + 32)),disable-acs=on"
    -device "nvme-subsys,id=subsys-shared$p,nqn=homi-test-shared-$p"
    -device "nvme,id=shared$p,bus=port-shared$p,serial=SHARED$p,subsys=subsys-shared$p,sriov_max_vfs=2,$(
      )sriov_vq_flexible=8,max_ioqpairs=10,sriov_vi_flexible=8,msix_qsize=11"
    -device "nvme-ns,bus=shared$p,drive=shared$p,nsid=1,shared=off")
done

# (A stdio chardev would hang up as soon as standard input ends.)
# highres and nohz off: timer wake-ups were lost now and then on a loaded machine. No mitigations: they only slow emulation.
exec qemu-system-x86_64 "${accelerator[@]}" -smp "${HOMI_VM_CPUS:-2}" -m "${HOMI_VM_MEMORY:-2048}" \
  -nodefaults -no-user-config -display none -no-reboot -nic none \
  -machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on \
  -drive "if=none,id=root,format=raw,snapshot=on,cache=unsafe,file=$image/root.img" -device virtio-blk-pci,drive=root \
  -drive "if=none,id=payload,format=raw,readonly=on,file=$payload" -device virtio-blk-pci,drive=payload \
  -device virtio-serial-pci -chardev file,id=homi,path=/dev/stdout -device virtserialport,chardev=homi,name=homi \
  -serial "file:$folder/console.log" "${devices[@]}" \
  -kernel "$image/vmlinuz" -initrd "$image/initrd.gz" \
  -append "console=ttyS0 panic=-1 loglevel=4 intel_iommu=on highres=off nohz=off mitigations=off hugepages=64 \
systemd.getty_auto=0 systemd.show_status=0 random.trust_cpu=on ${HOMI_VM_APPEND:-}"
