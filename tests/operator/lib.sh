# shellcheck shell=bash disable=SC2154
# What the cases share: a homid with the software SSD in a folder of its own, and assertions. A case is a function
# case_NAME; its name with blanks is what the report calls it. Sourced by run.sh, which sets $build and $folder.

fail() { echo "FAIL: $*" >&2; return 1; }
# equal WHAT EXPECTED ACTUAL
equal() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }
# says PATTERN TEXT: an extended regular expression that a line of the text matches.
says() { grep -qE -- "$1" <<<"$2" || fail "nothing like '$1' in: $2"; }
# status_of EXPECTED COMMAND...: its output is printed, both streams.
status_of() {
  local expected=$1 code=0; shift
  "$@" 2>&1 || code=$?
  equal "exit status of $*" "$expected" "$code"
}
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then fail "not in time: $*"; return 1; fi
    sleep 0.05
  done
}

SSD='{"devices":[{"serial":"E2E","virtualFunctions":2,"namespaces":[{"id":1,"bytes":"4M"},{"id":2,"bytes":"4M","blockBytes":4096},{"id":3,"bytes":"1G","backing":"null"}]}]}'
# start_homid [EXTRA-KEYS]: one SSD with two virtual functions, tenants blue (namespaces 1 and 3) and green (2), both of
# whoever runs this; relayed with TRUSTED=false.
start_homid() {
  local tenant
  tenant="\"users\":[$(id -u)],\"trusted\":${TRUSTED:-true},"'"devices":["ssd0"],"virtualFunctionsMax":2'
  export HOMI_ADMIN_SOCKET=$folder/admin.sock HOMI_TENANT_SOCKET=$folder/tenant.sock
  cat >"$folder/homid.conf" <<CONF
{ ${1:-}
  "adminGroup": $(id -g), "tenantSocket": "$HOMI_TENANT_SOCKET", "adminSocket": "$HOMI_ADMIN_SOCKET", "logLevel": "warning",
  "devices": [{ "name": "ssd0", "serial": "E2E", "virtualFunctions": 2, "queuePairs": 4 }],
  "tenants": [{ "name": "blue", $tenant, "namespaces": [{ "device": "ssd0", "id": 1 }, { "device": "ssd0", "id": 3 }] },
              { "name": "green", $tenant, "namespaces": [{ "device": "ssd0", "id": 2 }] }] }
CONF
  XDG_RUNTIME_DIR=$folder "$build/homid" --config "$folder/homid.conf" --model="$SSD" >"$folder/homid.log" 2>&1 &
  homid=$!
  wait_for 20 "$build/homictl" status || { cat "$folder/homid.log" >&2; return 1; }
}
stop_homid() {
  # The model outlives homid, so it is told as well.
  local model
  [ -n "$homid" ] || return 0
  model=$(pgrep -P "$homid" -f model-process || true)
  kill -TERM "$homid" 2>/dev/null || true
  wait "$homid" 2>/dev/null || true
  [ -z "$model" ] || kill "$model" 2>/dev/null || true
}
homictl() { "$build/homictl" "$@"; }
