# shellcheck shell=bash disable=SC2154,SC2034
# What homid counts, and the ways in which it is read.

lint_metrics() { tests/operator/tools/metrics-lint.py; }
# value SAMPLE TEXT
value() { grep -F -e "$1 " <<<"$2" | grep -v '^#' | sed 's/.* //'; }

# http REQUEST-LINE: what one run of the service says, as systemd starts it.
http() { printf '%s\r\nHost: x\r\n\r\n' "$1" | homictl metrics --http; }

case_metrics_follow_what_happens_and_parse() {
  start_homid
  local before after
  before=$(homictl metrics)
  lint_metrics <<<"$before"
  equal 'leases before' 0 "$(value homi_leases "$before")"
  homictl vf alloc --tenant blue --queues 2 >/dev/null
  homictl vf free nothing 2>/dev/null || true
  after=$(homictl metrics)
  lint_metrics <<<"$after"
  equal 'leases' 1 "$(value homi_leases "$after")"
  equal 'functions of blue' 1 "$(value 'homi_tenant_functions{tenant="blue"}' "$after")"
  equal 'leased functions' 1 "$(value 'homi_functions{state="leased"}' "$after")"
  equal 'ready functions' 1 "$(value 'homi_device_functions_ready{device="ssd0"}' "$after")"
  equal 'calls done' 1 "$(value 'homi_calls_total{method="io.homi.Admin.AllocateVirtualFunctions",outcome="done"}' "$after")"
  equal 'calls refused' 1 "$(value 'homi_calls_total{method="io.homi.Admin.FreeLease",outcome="refused"}' "$after")"
  equal 'granted leases' 1 "$(value 'homi_events_total{kind="leaseGranted"}' "$after")"
  equal 'functions opened' 2 "$(value 'homi_lifecycle_duration_seconds_count{operation="opening the function"}' "$after")"
  equal 'the same by json' 'homi_build_info' "$(homictl metrics --json | jq -r .text | sed -nE 's/^(homi_build_info).*/\1/p')"
}

case_metrics_of_a_thousand_tenants_come_in_pieces() {
  start_homid
  stop_homid
  python3 - "$folder/homid.conf" <<'PYTHON'
import re, sys
text = open(sys.argv[1]).read()
tenants = ', '.join('{ "name": "t%d", "users": [%d] }' % (i, 70000 + i) for i in range(1000))
open(sys.argv[1], 'w').write(text.replace('"tenants": [', '"tenants": [' + tenants + ', '))
PYTHON
  XDG_RUNTIME_DIR=$folder "$build/homid" --config "$folder/homid.conf" --model='{"devices":[{"serial":"E2E","virtualFunctions":2,"namespaces":[{"id":1,"bytes":"4M"}]}]}' >"$folder/homid.log" 2>&1 &
  homid=$!
  wait_for 20 "$build/homictl" status
  homictl metrics >"$folder/metrics"
  lint_metrics <"$folder/metrics"
  equal 'tenants' 1002 "$(grep -c '^homi_tenant_memory_bytes{' "$folder/metrics")"
}

case_metrics_are_served_over_http() {
  start_homid
  local said
  said=$(http 'GET /metrics HTTP/1.1')
  says '^HTTP/1.1 200 OK.$' "$said"
  says '^Content-Type: text/plain; version=0.0.4' "$said"
  equal 'length' "$(sed '1,/^\r$/d' <<<"$said" | wc -c)" "$(sed -nE 's/^Content-Length: ([0-9]+).*/\1/p' <<<"$said")"
  sed '1,/^\r$/d' <<<"$said" | lint_metrics
  says '^HTTP/1.1 200' "$(http 'HEAD /metrics HTTP/1.0')"
  equal 'body of HEAD' '' "$(http 'HEAD /metrics HTTP/1.0' | sed '1,/^\r$/d')"
  says '^HTTP/1.1 404' "$(http 'GET /etc/passwd HTTP/1.1')"
  says '^HTTP/1.1 405' "$(http 'POST /metrics HTTP/1.1')"
  says '^HTTP/1.1 400' "$(http 'nonsense')"
  says '^HTTP/1.1 400' "$(http 'GET /metrics HTTP/3.0')"
  says '^HTTP/1.1 431' "$(head -c 9000 /dev/zero | tr '\0' x | homictl metrics --http)"
  stop_homid
  says '^HTTP/1.1 503' "$(http 'GET /metrics HTTP/1.1' 2>/dev/null)"
}

case_the_dashboard_shows_metrics_that_exist() {
  local name
  jq -e '.panels | length > 5' conf/grafana-dashboard.json >/dev/null
  jq -r '.. | .expr? // empty' conf/grafana-dashboard.json | grep -oE 'homi_[a-z_]+' | sort -u >"$folder/names"
  [ -s "$folder/names" ]
  while read -r name; do
    grep -qF "\"${name%_bucket}\"" daemon/api/metrics.c || fail "the dashboard asks for $name, which homid does not have"
  done <"$folder/names"
}
