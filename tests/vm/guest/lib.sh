# shellcheck shell=bash
# What the cases use. The runner gives a case this file, `set -euo pipefail`, and a machine without VFs or daemons.
# A case passes with status 0 and is skipped with 77; everything else fails it.

HOMI_TESTS=/usr/lib/homi-tests
export PATH="$HOMI_TESTS/tenants:$HOMI_TESTS/examples:$HOMI_TESTS/tools:$PATH"

fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "skip: $*" >&2; exit 77; }
note() { echo "  $*"; }

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
  local limit=$1 end; shift
  end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then echo "not within $limit s: $*" >&2; return 1; fi
    sleep 0.1
  done
}

# equal WHAT EXPECTED ACTUAL
equal() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }

# refused COMMAND…: the command must fail; prints what it said.
refused() {
  local said
  if said=$("$@" 2>&1); then fail "not refused: $*"; fi
  printf '%s\n' "$said"
}

# refused_with PATTERN COMMAND…: the command must fail and say so. (Not `refused … | grep -q`: grep leaves at the first match,
# and what was still to be written would fail the case.)
refused_with() {
  local pattern=$1 said; shift
  said=$(refused "$@")
  grep -qi -- "$pattern" <<<"$said" || fail "refused without '$pattern': $* said: $said"
}

# as_user NAME COMMAND…: with that user's identity and groups, no capability, and the memory lock limit of a tenant.
as_user() {
  local name=$1; shift
  setpriv --reuid "$name" --regid "$name" --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
}

# start_as_user NAME COMMAND…: the same in the background; $! is then the command itself, not a shell that waits for it, so
# that killing it kills the tenant.
start_as_user() {
  local name=$1; shift
  setpriv --reuid "$name" --regid "$name" --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@" &
}

# pf_device [SERIAL]: the PF's folder in sysfs. controller [SERIAL]: its name in the kernel, as in /dev/nvme0.
controller() {
  local entry
  for entry in /sys/class/nvme/nvme*; do
    if [ "$(tr -d ' ' <"$entry/serial")" = "${1:-HOMI0}" ]; then basename "$entry"; return; fi
  done
  echo "no controller with serial ${1:-HOMI0}" >&2; return 1
}
pf_device() { readlink -f "/sys/class/nvme/$(controller "${1:-HOMI0}")/device"; }

# attach_to_pf SERIAL NSID: attaches a namespace to the PF too and prints its block device. detach_from_pf undoes it.
attach_to_pf() {
  local name; name=$(controller "$1")
  nvme attach-ns "/dev/$name" -n "$2" -c "$(cat "/sys/class/nvme/$name/cntlid")" >/dev/null
  nvme ns-rescan "/dev/$name"
  wait_for 10 namespace_block "$1" "$2" || return
  namespace_block "$1" "$2"
}
detach_from_pf() {
  local name; name=$(controller "$1")
  blockdev --flushbufs "$(namespace_block "$1" "$2")"
  nvme detach-ns "/dev/$name" -n "$2" -c "$(cat "/sys/class/nvme/$name/cntlid")" >/dev/null
  nvme ns-rescan "/dev/$name"
}

# namespace_block SERIAL NSID: the block device of a namespace that is attached to the PF. Where the SSD can have several
# controllers the kernel names it after the subsystem, and the controller's own entry is a hidden path (nvme0c0n2).
namespace_block() {
  local path name
  for path in /sys/class/nvme/"$(controller "$1")"/nvme*n*; do
    if [ "$(cat "$path/nsid" 2>/dev/null)" != "$2" ]; then continue; fi
    name=$(basename "$path" | sed -E 's/c[0-9]+n/n/')
    if [ -b "/dev/$name" ]; then echo "/dev/$name"; return; fi
  done
  return 1
}

# kernel_log PATTERN: how many lines of the kernel's log since the case began.
kernel_log() { journalctl -k -q -o cat --since "@$HOMI_CASE_STARTED" | grep -c -- "$1" || true; }

# restore_machine: what the runner does after each case, so that none finds what another left: no mount, no daemon, no
# tenant, no VF, and on the PF nothing but the host's namespace.
restore_machine() {
  local device serial entry nsid end
  awk '$1 ~ /^\/dev\/nvme/ { print $2 }' /proc/mounts | xargs -r umount
  timeout 30 systemctl stop 'homid*' >/dev/null 2>&1 || systemctl kill -s KILL 'homid*' >/dev/null 2>&1
  systemctl reset-failed >/dev/null 2>&1
  rm -rf /etc/homi /etc/systemd/system/homid.service.d
  pkill -KILL -U blue,green,red 2>/dev/null
  for entry in /sys/class/nvme/nvme*; do
    device=$(readlink -f "$entry/device") serial=$(tr -d ' ' <"$entry/serial")
    [ -e "$device/sriov_numvfs" ] || continue
    for nsid in 2 3 4 5; do
      if namespace_block "$serial" "$nsid" >/dev/null; then detach_from_pf "$serial" "$nsid"; fi
    done
    [ "$(cat "$device/sriov_numvfs")" = 0 ] && continue
    # The write blocks for as long as someone holds a VF: it must not take the runner with it.
    ( echo 0 >"$device/sriov_numvfs" ) 2>/dev/null &
    end=$((SECONDS + 15))
    while kill -0 $! 2>/dev/null; do
      if [ "$SECONDS" -ge "$end" ]; then echo "VFs of $serial cannot be removed" >&2; return 1; fi
      sleep 0.1
    done
  done
  return 0
}

# shellcheck source=tests/vm/guest/homid.sh
. "$HOMI_TESTS/guest/homid.sh"
