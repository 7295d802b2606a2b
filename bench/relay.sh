#!/bin/bash
# What the doorbell relay costs, on the software SSD: latency at depth 1 beside direct delegation, throughput of 1, 8 and 64
# tenants through one relay thread, and CPU time without work. Figures are of this machine as it is loaded: compare ratios.
# Usage: relay.sh BUILD JSON
set -euo pipefail
build=$1 json=$2
seconds=${SECONDS_EACH:-3}
work=$(mktemp -d)
children=()
finish() {
  if [ ${#children[@]} -gt 0 ]; then kill "${children[@]}" 2>/dev/null || true; fi
  if [ -s "$work/model" ]; then kill "$(cat "$work/model")" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

# ---- homid with 66 VFs: two for a direct tenant, one for each of 64 that are relayed ----
tenants=$(jq -nc --argjson uid "$(id -u)" '[range(0; 65) | {
  name: "t\(.)", trusted: (. == 0), users: [$uid], devices: ["ssd0"],
  namespaces: [{device: "ssd0", id: 1, shared: true}]}]')
jq -n --argjson tenants "$tenants" --argjson gid "$(id -g)" --arg dir "$work" '{
  adminGroup: $gid, tenantSocket: "\($dir)/tenant.sock", adminSocket: "\($dir)/admin.sock", logLevel: "warning",
  devices: [{name: "ssd0", serial: "BENCH", virtualFunctions: 66, queuePairs: 1}], tenants: $tenants}' >"$work/homid.conf"
spec='{"devices":[{"serial":"BENCH","virtualFunctions":66,"queues":{"perFunction":2,"total":132},
  "interrupts":{"perFunction":2,"total":132},"namespaces":[{"id":1,"bytes":"1G","backing":"null"}]}]}'
export XDG_RUNTIME_DIR=$work HOMI_TENANT_SOCKET=$work/tenant.sock
"$build/homid" --config "$work/homid.conf" --model="$spec" 2>"$work/log" & homid=$!
children+=("$homid")
ready() { "$build/homictl" --socket "$work/admin.sock" --json status 2>/dev/null | jq -e .ready >/dev/null; }
for ((i = 0; i < 600; i++)); do if ready; then break; fi; sleep 0.1; done
ready || { cat "$work/log" >&2; exit 1; }
child() { ps -o pid= -o comm= --ppid "$homid" | awk -v name="$1" '$2 == name { print $1 }'; }
child homid-model >"$work/model"

# load TENANT OPTION…: homi-perf's result.
load() { "$build/homi-perf" --tenant "$1" --namespace 1 --wait 30000 --runtime "$seconds" --json "${@:2}"; }

# ---- latency at depth 1: alternating, the median of five ----
for ((i = 0; i < 5; i++)); do
  for tenant in 0 1; do load "t$tenant" --depth 1 --batch 1 --latency >>"$work/latency$tenant"; done
done
median() { jq -s 'sort | .[length / 2 | floor]'; }
p50() { jq .latencyNanoseconds.p50 "$work/latency$1" | median; }

# ---- throughput: what all of them do together, and how evenly ----
throughput() {
  local count=$1 pids=() i
  for ((i = 1; i <= count; i++)); do load "t$i" --depth 32 >"$work/load$i" & pids+=($!); done
  wait "${pids[@]}"
  for ((i = 1; i <= count; i++)); do cat "$work/load$i"; done |
    jq -s --argjson count "$count" '{tenants: $count, iops: (map(.iops) | add | floor),
      fewest: (map(.iops) | min | floor), most: (map(.iops) | max | floor)}'
}
direct=$(load t0 --depth 32 | jq '.iops | floor')
one=$(throughput 1) eight=$(throughput 8) many=$(throughput 64)

# ---- no work: a tenant holds its queue pair and does nothing ----
"$build/tenants/tenant-verify" --tenant t1 --namespace 1 --mode none --hold >"$work/hold" & children+=($!)
for ((i = 0; i < 300; i++)); do if grep -q holding "$work/hold"; then break; fi; sleep 0.1; done
ticks() { awk '{ print $14 + $15 }' "/proc/$(child homid-relay)/stat"; }
sleep 1
before=$(ticks)
sleep 5
idle=$(($(ticks) - before))

mkdir -p "$(dirname "$json")"
jq -n --argjson direct "$(p50 0)" --argjson relayed "$(p50 1)" --argjson alone "$direct" --argjson one "$one" \
  --argjson eight "$eight" --argjson many "$many" --argjson idle "$idle" --argjson cpus "$(nproc)" '{
  cpus: $cpus, latencyNanoseconds: {direct: $direct, relayed: $relayed, added: ($relayed - $direct)},
  directIops: $alone, relayed: [$one, $eight, $many], idleCpuTicksIn5Seconds: $idle}' | tee "$json"
