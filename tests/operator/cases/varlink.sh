# shellcheck shell=bash disable=SC2154,SC2034
# Clients that share no code with homid: the example in Python, and a shell with socat.

client() { man/examples/varlink-client.py "$@"; }

case_a_foreign_client_calls_every_method() {
  start_homid
  local said count
  said=$(tests/operator/tools/varlink-every-method.py man/examples/varlink-client.py "$HOMI_ADMIN_SOCKET") || { fail "$said"; return 1; }
  count=$(grep -c '^method' proto/io.homi.Admin.varlink)
  equal 'methods of the operator' "$count" "$(grep -c '^io.homi.Admin\.' <<<"$said")"
  said=$(tests/operator/tools/varlink-every-method.py man/examples/varlink-client.py "$HOMI_TENANT_SOCKET") || { fail "$said"; return 1; }
  count=$(grep -c '^method' proto/io.homi.Tenant.varlink)
  equal 'methods of tenants' "$count" "$(grep -c '^io.homi.Tenant\.' <<<"$said")"
  equal 'homid afterwards' ready "$(homictl list devices --json | jq -r '.devices[0].state')"
}

case_the_example_in_python_does_what_it_says() {
  start_homid
  says '^io.homi.Admin$' "$(client "$HOMI_ADMIN_SOCKET")"
  equal 'the definition' "$(cat proto/io.homi.Tenant.varlink)" "$(client "$HOMI_TENANT_SOCKET" io.homi.Tenant)"
  equal 'a call' lease-1 "$(client "$HOMI_ADMIN_SOCKET" io.homi.Admin.AllocateVirtualFunctions '{"tenant":"blue"}' | jq -r .lease)"
  says '^io.homi.Admin.UnknownLease \{"lease": "x"\}' "$(status_of 1 client "$HOMI_ADMIN_SOCKET" io.homi.Admin.FreeLease '{"lease":"x"}')"
  timeout 2 man/examples/varlink-client.py --more "$HOMI_ADMIN_SOCKET" io.homi.Admin.Monitor '{"since":1}' >"$folder/events" || true
  equal 'events' 1 "$(jq -c 'select(.event.kind == "leaseGranted")' "$folder/events" | wc -l)"
}

case_a_shell_with_socat_is_a_client() {
  start_homid
  homictl vf alloc --tenant blue >/dev/null
  # As in homi.varlink(7).
  equal 'leases' lease-1 "$(printf '{"method":"io.homi.Admin.ListLeases"}\0' |
    socat -t 5 - UNIX-CONNECT:"$HOMI_ADMIN_SOCKET" | tr '\0' '\n' | jq -r '.parameters.leases[0].name')"
}
