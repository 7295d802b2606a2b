#!/bin/bash
# A container as engines make them, with the edits that a CDI specification describes: mount, process and user namespaces of
# its own, a read-only root with empty /dev, /run and /tmp, and a user who has no name outside (7 inside, 100007 outside).
# Usage: container.sh SPECIFICATION COMMAND…
set -euo pipefail
if [ "${1:-}" != --inside ]; then
  exec unshare --mount --pid --fork --kill-child "$0" --inside "$@"
fi
shift
specification=$1; shift
root=/tmp/container.$$
edits() { jq -r ".devices[0].containerEdits.$1" "$specification"; }
bind() { # bind HOST-PATH PATH [OPTION]
  mkdir -p "$(dirname "$root$2")"
  : >"$root$2"
  mount --bind "$1" "$root$2"
  [ -z "${3:-}" ] || mount -o "remount,bind,$3" "$root$2"
}

mkdir -p "$root"
mount --bind / "$root"
mount -o remount,bind,ro "$root"
for folder in dev run tmp; do mount -t tmpfs -o mode=755 none "$root/$folder"; done
mount -t proc none "$root/proc"
for node in null zero urandom; do bind "/dev/$node" "/dev/$node"; done
while read -r outer inner access; do bind "$outer" "$inner" "$access"; done < <(
  edits 'mounts // [] | .[] | "\(.hostPath) \(.containerPath) \(.options[-1])"')
while read -r path; do bind "$path" "$path"; done < <(edits 'deviceNodes // [] | .[].path')
mapfile -t variables < <(edits 'env[]')
# No change of root alone: the kernel makes no user namespace for a process whose root is not that of its mounts.
mkdir "$root/tmp/old"
cd "$root"
pivot_root . tmp/old
cd /
umount --lazy /tmp/old

# Who maps the users must stand outside of the namespace that they are mapped into, and a process that began in it before that
# has no rights there. So one holds it open, and the command enters it.
unshare --user sleep infinity &
holder=$!
own=$(readlink /proc/self/ns/user)
until inner=$(readlink "/proc/$holder/ns/user") && [ "$inner" != "$own" ]; do sleep 0.05; done
echo '0 100000 65536' >"/proc/$holder/uid_map"
echo '0 100000 65536' >"/proc/$holder/gid_map"
status=0
env -i PATH="$PATH" "${variables[@]}" nsenter --user="/proc/$holder/ns/user" --setuid 7 --setgid 7 \
  setpriv --no-new-privs "$@" || status=$?
kill "$holder"
exit "$status"
