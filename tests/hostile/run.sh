#!/bin/bash
# The hostile tenant against homid with the software SSD, as whoever starts it; where that is root, as another user too,
# since attacks of one user on another need two. The victim is relayed: who disturbs the relay disturbs it.
# Usage: run.sh RESULTS BUILD [OPTION-OF-hostile]…
set -euo pipefail
results=$1 build=$2
shift 2
folder=$(mktemp -d)
homid='' others=''
# stop: homid's exit status. The model outlives homid, and so may a relay that hangs: they are ended as well.
stop() {
  local status=0
  [ -n "$homid" ] || return 0
  others=$(pgrep -P "$homid" -f 'model-process|--relay' || true)
  kill "$homid" 2>/dev/null || true
  for _ in $(seq 200); do # one that hangs is not waited for
    if ! kill -0 "$homid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  kill -KILL "$homid" 2>/dev/null || true
  wait "$homid" 2>/dev/null || status=$?
  # shellcheck disable=SC2086 # pids are words
  if [ -n "$others" ]; then
    kill $others 2>/dev/null || true
    sleep 0.5
    kill -KILL $others 2>/dev/null || true
  fi
  homid=''
  return "$status"
}
trap 'stop || true; rm -rf "$folder"' EXIT

chmod 755 "$folder"
mkdir "$folder/programs"
cp "$build"/tenants/{tenant-refusals,proto-abuse} "$folder/programs"
attacker=$(id -u) users=()
if [ "$attacker" -eq 0 ]; then attacker=65533 users=(--attacker-uid 65533); fi

# tenant NAME NAMESPACE USER MEMBERS
tenant() {
  printf '{ "name": "%s", %s, "users": [%s], "devices": ["ssd0"], "namespaces": [{ "device": "ssd0", "id": %d }],
    "virtualFunctionsMax": 8, "queuePairsMax": 3, "memoryMax": "64M", "connectionsMax": 40, "regionsMax": 16, "waitingMax": 8 }' "$1" "$4" "$3" "$2"
}
cat >"$folder/homid.conf" <<CONF
{ "adminGroup": $(id -g), "tenantSocket": "$folder/tenant.sock", "adminSocket": "$folder/admin.sock", "retrySeconds": 1,
  "logLevel": "notice", "limits": { "connectionsPerUid": 60, "monitors": 8 },
  "devices": [{ "name": "ssd0", "serial": "HOSTILE", "virtualFunctions": 4, "queuePairs": 4 }],
  "tenants": [$(tenant blue 1 "$attacker" '"trusted": true'), $(tenant red 3 "$attacker" '"delegation": "relayed"'),
    $(tenant green 2 "$(id -u)" '"delegation": "relayed"')] }
CONF
# A device that does not refuse what a VF must not do, so that it is homid that keeps tenants apart.
specification='{"devices":[{"serial":"HOSTILE","virtualFunctions":4,"virtualFunctionsRefuse":false,"namespaces":[{"id":1,"bytes":"4M"},{"id":2,"bytes":"4M","blockBytes":4096},{"id":3,"bytes":"4M"}]}]}'
XDG_RUNTIME_DIR=$folder "$build/homid" --config "$folder/homid.conf" --model="$specification" 2>"$folder/log" &
homid=$!
for _ in $(seq 200); do
  if "$build/homictl" --socket "$folder/admin.sock" --json status 2>/dev/null | grep '"ready": *true' >/dev/null; then break; fi
  sleep 0.1
done

mkdir -p "$results"
code=0
"$build/tenants/hostile" --socket "$folder/tenant.sock" --admin-socket "$folder/admin.sock" --attacker blue --relayed red --victim green \
  "${users[@]}" --relay-socket "$folder/homi/relay.sock" --foreign-namespace 2 --connections-per-uid 60 --monitors 8 --regions 16 --queue-pairs 3 --programs "$folder/programs" "$@" |
  tee "$folder/said" || code=$?
if grep -E 'ERROR: |runtime error' "$folder/log"; then code=1; fi
stop || { echo "homid ended with $?"; code=1; }
if [ "$code" -ne 0 ]; then tail -n 40 "$folder/log"; fi
tail -n 1 "$folder/said" >"$results/hostile"
exit "$code"
