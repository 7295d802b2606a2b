#!/bin/bash
# The demonstration, in the guest: three I/O paths at once on one SSD, then what each did. Lines that begin with "== " are
# steps, which the host shows with the time. Usage: demo.sh SECONDS (of the load)
set -euo pipefail
# shellcheck source=tests/vm/guest/lib.sh
. /usr/lib/homi-tests/guest/lib.sh
HOMI_CASE_STARTED=$EPOCHSECONDS # what kernel_log looks back to
seconds=$1
part=$((16 << 20))   # what each process writes, bytes
chunk=$((128 << 10)) # what is read back at once
results=$(mktemp -d)
pf=$(pf_device HOMI0)

step() { echo "== $*"; }

configure() {
  mkdir -p /etc/homi
  cat >/etc/homi/homid.conf <<'CONFIG'
{
  "devices": [{ "name": "ssd0", "serial": "HOMI0", "virtualFunctions": 4, "queuePairs": 3 }],
  "tenants": [
    { "name": "blue", "trusted": true, "users": ["blue"], "devices": ["ssd0"],
      "namespaces": [{ "device": "ssd0", "id": 2 }] },
    { "name": "green", "trusted": true, "users": ["green"], "devices": ["ssd0"],
      "namespaces": [{ "device": "ssd0", "id": 3 }] }
  ]
}
CONFIG
}

file_system() {
  host_block=$(namespace_block HOMI0 1)
  mkfs.ext4 -q -F "$host_block"
  mkdir -p /mnt/host
  mount "$host_block" /mnt/host
}

# start NAME COMMAND…: in the background, its result in a file.
workers=()
start() {
  local name=$1; shift
  "$@" >"$results/$name" 2>"$results/$name.log" &
  workers+=("$name:$!")
}

# tenant USER NAMESPACE PART SEED [OPTION]…
tenant() {
  local user=$1 namespace=$2 index=$3 seed=$4; shift 4
  start "$user-$index" as_user "$user" "$HOMI_TESTS/tenants/tenant-verify" --json --mode mixed --seconds "$seconds" --depth 16 \
    --namespace "$namespace" --offset $((index * part)) --length "$part" --pattern-seed "$seed" "$@"
}

finish() {
  local worker name
  for worker in "${workers[@]}"; do
    name=${worker%:*}
    if ! wait "${worker#*:}"; then echo "$name:"; cat "$results/$name" "$results/$name.log"; broken=1; fi
  done
}

# read_back NAMESPACE SEED…: what the tenant wrote, through the kernel; prints how much was right.
read_back() {
  local namespace=$1 block index=0 blocks=0 seed found; shift
  block=$(attach_to_pf HOMI0 "$namespace") || return
  for seed; do
    found=$(block-verify --json --mode verify --block-bytes "$chunk" --offset $((index * part)) --length "$part" --pattern-seed "$seed" "$block") || return
    blocks=$((blocks + $(jq .verified <<<"$found")))
    index=$((index + 1))
  done
  detach_from_pf HOMI0 "$namespace"
  [ $((blocks * chunk)) -eq $((part * $#)) ] || return
  echo "$((blocks * chunk >> 20)) MiB, nsid $namespace by the kernel"
}

# The host's data by another way than it was written: a second mount, through the page cache, after a check.
read_back_file() {
  umount /mnt/host
  e2fsck -fn "$host_block" >/dev/null 2>&1 || return
  mount -o ro "$host_block" /mnt/host
  block-verify --mode verify --block-bytes "$chunk" --length "$part" --pattern-seed 1 /mnt/host/data >/dev/null || return
  umount /mnt/host
  echo "$((part >> 20)) MiB, after fsck and remount"
}

# row TITLE FUNCTION QUEUE-PAIRS VERIFIED RESULT…
row() {
  local title=$1 function=$2 pairs=$3 verified=$4; shift 4
  jq -rs --arg title "$title" --arg function "$function" --arg pairs "$pairs" --arg verified "$verified" '
    [$title, $function, $pairs, (map(.iops) | add | round), (map(.mibps) | add),
     (map(.errors + .miscompares) | add), $verified] | @tsv' "$@" >>"$results/table"
  if [ "$verified" = NO ] || [ "$(jq -s 'map(.errors + .miscompares) | add' "$@")" != 0 ]; then broken=1; fi
}

table() {
  awk -F'\t' -v OFS='\t' '
    NR > 1 { $5 = sprintf("%.1f", $5) }
    { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
    END {
      for (r = 1; r <= NR; r++) {
        line = ""
        for (i = 1; i <= NF; i++) line = line sprintf("%" (i >= 3 && i <= 6 ? "" : "-") width[i] "s  ", cell[r, i])
        sub(/ +$/, "", line); print line
        if (r == 1) { gsub(/./, "-", line); print line }
      }
    }' "$results/table"
}

broken=0
step "guest is up: kernel $(uname -r), SSD $(basename "$pf") with $(cat "$pf/sriov_totalvfs") VFs and $(
  nvme list-ns "/dev/$(controller)" -a | wc -l) namespaces"
configure
step 'systemctl start homid'
start_homid
step 'homid is ready: every VF is provisioned and bound to vfio-pci'
homictl status
step "ext4 on the PF's namespace 1"
file_system
lease=$(homictl vf alloc --tenant blue --queues 2 --namespace 2 --json | jq -r .lease)
step "lease $lease is reserved for blue (uid 1001); green (uid 1002) attaches by itself"

step "three paths at once for $seconds s: random reads (checked) and writes of 4 KiB"
start ext4 block-verify --json --mode mixed --seconds "$seconds" --depth 4 --length "$part" --pattern-seed 1 /mnt/host/data
tenant blue 2 0 21 --lease "$lease"
tenant blue 2 1 22 --lease "$lease"
tenant green 3 0 31
sleep $((seconds / 2 + 2))
homictl list leases
homictl list queues
finish
homictl vf free "$lease" >/dev/null
blue=$(jq -r .function "$results/blue-0") green=$(jq -r .function "$results/green-0")

step 'the tenants have gone; what they wrote is read back through the kernel'
no_lease() { [ "$(homictl list leases --json | jq '.leases | length')" = 0 ]; }
wait_for 10 no_lease
blue_verified=$(read_back 2 21 22) || blue_verified=NO
green_verified=$(read_back 3 31) || green_verified=NO
ext4_verified=$(read_back_file) || ext4_verified=NO
faults=$(kernel_log 'DMAR:.*fault')

printf 'path\tPCI function\tqueue pairs\tIOPS\tMiB/s\terrors\tdata verified\n' >"$results/table"
row 'kernel, ext4' "$(basename "$pf") (PF)" $(($(cat "/sys/class/nvme/$(controller)/queue_count") - 1)) "$ext4_verified" "$results/ext4"
row 'tenant blue, 2 processes' "$blue (VF)" 2 "$blue_verified" "$results/blue-0" "$results/blue-1"
row 'tenant green' "$green (VF)" 1 "$green_verified" "$results/green-0"
step "done; IOMMU faults: $faults"
echo
table
[ "$broken" -eq 0 ] && [ "$faults" -eq 0 ]
