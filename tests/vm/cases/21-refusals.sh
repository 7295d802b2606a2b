#!/bin/bash
# Everything that must be refused is, by its name, and changes nothing: wrong user, wrong tenant, no trust, over quota,
# bad memory, bad depth, bad descriptors, broken messages, peers that are slow or never read.
# timeout: 240
write_config
echo '{ "tenants": [{ "name": "amber", "delegation": "direct" }] }' >/etc/homi/homid.conf.d/50-direct.conf
start_homid
refused_with 'TenantNotPermitted' as_user red tenant-verify --tenant blue --mode none
refused_with 'TenantAmbiguous' as_user red tenant-verify --mode none
refused_with 'TenantNotPermitted' as_user green tenant-verify --tenant blue --mode none
refused_with 'TrustRequired' setpriv --reuid 1004 --regid 1004 --clear-groups "$(command -v tenant-verify)" --mode none
refused as_user green tenant-verify --tenant green --namespace 2 --mode none || fail 'green has namespace 2'
start_as_user green tenant-verify --tenant green --namespace 3 --mode none --hold >/tmp/hold
holder=$!
wait_for 20 grep -q holding /tmp/hold
lease=$(admin '.leases[0].name' list leases)
as_user blue tenant-refusals --tenant blue --foreign-lease "$lease"
kill "$holder"; wait "$holder" || true
as_user blue proto-abuse --slow-ms 200
as_user red proto-abuse --slow-ms 100 --slow-bytes 4
wait_for 20 nothing_held || fail 'something is still held'
