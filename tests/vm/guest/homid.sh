# shellcheck shell=bash
# What cases with homid share: a configuration, starting it by systemd, and looking at what it holds.

# write_config [DEVICES-JSON] [EXTRA-TENANTS-JSON]: tenants blue (namespaces 2, 4, 5), green (3), both trusted, and amber
# (uid 1004, not trusted); all four VFs of HOMI0 with five queue pairs and five interrupts each.
write_config() {
  local ssd0='{ "name": "ssd0", "serial": "HOMI0", "virtualFunctions": 4, "queuePairs": 5, "interrupts": 5 }'
  mkdir -p /etc/homi/homid.conf.d
  cat >/etc/homi/homid.conf <<CONF
{
  "retrySeconds": 1,
  "devices": [${1:-$ssd0}],
  "tenants": [
    { "name": "blue", "trusted": true, "users": ["blue"], "devices": ["ssd0"], "virtualFunctionsMax": 2,
      "queuePairsMax": 10, "memoryMax": "256M",
      "namespaces": [{ "device": "ssd0", "id": 2 }, { "device": "ssd0", "id": 4 }, { "device": "ssd0", "id": 5 }] },
    { "name": "green", "trusted": true, "users": ["green"], "devices": ["ssd0"],
      "namespaces": [{ "device": "ssd0", "id": 3 }] },
    { "name": "amber", "users": [1004], "devices": ["ssd0"] }${2:+,
    $2}
  ]
}
CONF
}

# start_homid: by systemd, as an operator does. Returns when READY=1 was told.
start_homid() {
  local started=$EPOCHREALTIME
  systemctl daemon-reload
  systemctl start homid || { journalctl -q -o cat -u homid | tail -n 20; fail 'homid did not start'; }
  note "homid is ready after $(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"
}

# allow_lending: what lending needs beyond the unit, as the manual says.
allow_lending() { install -D -m 644 /usr/share/homi/homid-lending.conf /etc/systemd/system/homid.service.d/lending.conf; }

homid_pid() { systemctl show -p MainPID --value homid; }

# admin FIELD-FILTER ARGUMENTS…: a homictl command's reply through jq.
admin() { local filter=$1; shift; homictl --json "$@" | jq -r "$filter"; }

vfs_in_state() { admin "[.virtualFunctions[] | select(.state == \"$1\")] | length" list vfs; }
all_vfs_ready() { [ "$(vfs_in_state ready)" = "${1:-4}" ]; }

# nothing_held [VFS]: no lease, no queue pair, no tenant memory, and every VF ready again.
nothing_held() {
  [ "$(admin '[.leases, .queuePairs, .memoryBytes] | join(" ")' status)" = '0 0 0' ] && all_vfs_ready "${1:-4}"
}

# homid_footprint: what a leak would make grow: descriptors, mappings of memory, resident KiB of the main process.
homid_footprint() {
  local pid; pid=$(homid_pid)
  echo "$(find "/proc/$pid/fd" -mindepth 1 | wc -l) $(wc -l <"/proc/$pid/maps") $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")"
}

# homid_cpu: microseconds of CPU time that the service used so far.
homid_cpu() { awk '/^usage_usec/ { print $2 }' /sys/fs/cgroup/system.slice/homid.service/cpu.stat; }

# json FIELD FILE: one member of a tenant's result.
json() { jq -r ".$1" "$2"; }

# sound FILE…: results without errors and miscompares, in which something was verified.
sound() {
  local file
  for file; do
    equal "errors and miscompares of $file" '0 0' "$(jq -r '"\(.errors) \(.miscompares)"' "$file")"
    [ "$(json verified "$file")" -gt 0 ] || fail "nothing was verified in $file"
    note "$(jq -r '"\(.path) \(.function): \(.iops) IOPS, \(.mibps) MiB/s, \(.queuePairs) queue pairs, \(.verified) blocks verified"' "$file")"
  done
}

# queues_are N: that many queue pairs exist.
queues_are() { [ "$(admin .queuePairs status)" = "$1" ]; }
