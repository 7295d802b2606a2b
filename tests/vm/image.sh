#!/bin/bash
# Builds the guest: a Debian root file system, its stock kernel and a small initramfs; prints the folder that holds them
# (root.img, vmlinuz, initrd.gz). Cached under build/vm/ (or $HOMI_VM_CACHE), keyed by a hash of what it is made from; a
# lock keeps two builders apart. Needs root and an apt archive, but only when it has to build. Usage: image.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${HOMI_VM_CACHE:-$here/../../build/vm}
suite=bookworm

packages=(systemd systemd-sysv udev kmod nvme-cli strace e2fsprogs util-linux procps acl pciutils socat jq busybox-static
  libnvme1 libevent-core-2.1-7 libjson-c5 libsystemd0 fio)
# What the initramfs loads, in order of need; the others stay on the root disk for udev and modprobe.
boot_modules=(virtio_pci virtio_blk ext4 crc32c_generic)
disk_modules=(nvme vfio-pci vfio_iommu_type1 virtio_console loop)
# None of these does anything for a test, and each costs a part of the boot.
masked=(getty-static.service getty@tty1.service uuidd.socket proc-sys-fs-binfmt_misc.automount systemd-logind.service systemd-random-seed.service systemd-update-utmp.service
  systemd-update-utmp-runlevel.service systemd-journal-flush.service systemd-journal-catalog-update.service
  systemd-hwdb-update.service systemd-pstore.service systemd-machine-id-commit.service systemd-binfmt.service
  systemd-user-sessions.service ldconfig.service e2scrub_reap.service e2scrub_all.timer fstrim.timer
  dpkg-db-backup.timer systemd-tmpfiles-clean.timer apt-daily.timer apt-daily-upgrade.timer
  sys-kernel-debug.mount sys-kernel-tracing.mount dev-mqueue.mount swap.target nvmefc-boot-connections.service
  nvmf-autoconnect.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service)

say() { printf 'image: %s\n' "$*" >&2; }

hash=$(cat "$here/image.sh" "$here/debian-sources.sh" "$here/guest/initramfs-init" | sha256sum | cut -c1-12)
image=$cache/image-$hash
if [ -d "$image" ]; then readlink -f "$image"; exit 0; fi

mkdir -p "$cache"
exec {lock}>"$cache/.lock"
flock -n "$lock" || { say 'another build is under way, waiting for it'; flock "$lock"; }
if [ -d "$image" ]; then readlink -f "$image"; exit 0; fi
if [ "$(id -u)" -ne 0 ]; then say 'building the guest image needs root (sudo)'; exit 1; fi

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root

# The machine's own way to its archive (proxies, time checks of a frozen mirror) holds for the guest's apt as well.
apt-config dump | grep -E '^Acquire::(Check-|Retries|https?::)' >"$work/apt.conf" || true
echo 'Acquire::Languages "none"; Acquire::Retries "3";' >>"$work/apt.conf"

root_file_system() {
  say "installing Debian $suite with ${#packages[@]} packages"
  "$here/debian-sources.sh" "$suite" >"$work/sources.list"
  local list; list=$(IFS=,; echo "${packages[*]}")
  # shellcheck disable=SC2016 # expanded by mmdebstrap's shell
  mmdebstrap --quiet --variant=essential --format=directory --include="$list" --aptopt="$work/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='mkdir "$1/kernel" && cd "$1/kernel" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" &&
      package=$(apt-cache depends linux-image-amd64 | awk "/Depends: linux-image/ { print \$2; exit }") &&
      apt-get -qq download "$package" && dpkg-deb -x "$package"_*.deb . && rm -f "$package"_*.deb' \
    "$suite" "$root" - <"$work/sources.list" >&2
}

# Only the modules that the guest can use travel, each with those it depends on.
kernel() {
  version=$(ls "$root/kernel/lib/modules")
  say "kernel $version and initramfs"
  local tree=$root/kernel target=$root/usr/lib/modules/$version module path
  depmod -b "$tree" "$version"
  mkdir -p "$target" "$work/initrd"/{bin,dev,proc,sys,root,modules}
  for module in "${boot_modules[@]}" "${disk_modules[@]}"; do
    modprobe -d "$tree" -S "$version" --show-depends "$module" | awk '/^insmod/ { print $2 }' >"$work/depends"
    while read -r path; do
      install -D -m 644 "$path" "$target/${path#*/lib/modules/"$version"/}"
      case " ${boot_modules[*]} " in *" $module "*)
        [ -e "$work/initrd/modules/${path##*/}" ] || echo "${path##*/}" >>"$work/initrd/modules/order"
        cp "$path" "$work/initrd/modules/" ;;
      esac
    done <"$work/depends"
  done
  cp "$tree/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$target/"
  depmod -b "$root" "$version"
  cp "$tree/boot/vmlinuz-$version" "$work/vmlinuz"
  rm -rf "$tree"
  cp "$root/usr/bin/busybox" "$work/initrd/bin/"
  install -m 755 "$here/guest/initramfs-init" "$work/initrd/init"
  (cd "$work/initrd" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$work/initrd.gz"
}

settings() {
  local user number unit
  for user in blue:1001 green:1002 red:1003; do # red is a tenant that nobody configured
    number=${user#*:}
    chroot "$root" groupadd -g "$number" "${user%:*}"
    chroot "$root" useradd -m -u "$number" -g "$number" -s /bin/bash "${user%:*}"
  done
  for unit in "${masked[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
  echo homi-guest >"$root/etc/hostname"
  : >"$root/etc/fstab"
  echo 00000000000000000000000000000001 >"$root/etc/machine-id"
  mkdir -p "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' >"$root/etc/systemd/journald.conf.d/homi.conf"
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/usr/lib/udev/hwdb.* "$root"/usr/share/i18n
}

root_file_system
kernel
settings
say 'writing the root disk'
size=$(($(du -sm "$root" | cut -f1) + 512))
mke2fs -q -t ext4 -O ^has_journal -m 0 -L homi-root -d "$root" "$work/root.img" "${size}M" >/dev/null
rm -rf "$root" "$work/initrd" "$work/apt.conf" "$work/sources.list" "$work/depends"
chmod 755 "$work"
chmod 644 "$work"/*
find "$cache" -maxdepth 1 -name 'image-*' -exec rm -rf {} +
mv "$work" "$image"
trap - EXIT
say "done: $(du -sh "$image" | cut -f1), kernel $version"
readlink -f "$image"
