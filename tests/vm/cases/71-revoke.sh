#!/bin/bash
# Leases are taken away: from a process that goes on holding its VFIO descriptor (its VF goes offline and stays quarantined until
# the process ends), by killing the process, and by expiry; another tenant's verified I/O does not notice, nor that homid reads
# its configuration again.
# timeout: 150
write_config
start_homid
hold() { # USER NAMESPACE
  start_as_user "$1" tenant-verify --tenant "$1" --namespace "$2" --length 1048576 --mode write --hold >"/tmp/$1.out" 2>&1
}
lease_of() { admin "[.leases[] | select(.tenant == \"$1\")][0].name" list leases; }
one_quarantined() { [ "$(vfs_in_state quarantined)" = 1 ]; }
one_lease() { [ "$(admin .leases status)" = 1 ]; }
said() { journalctl -q -u homid -o cat | grep -q -- "$1" || fail "the journal lacks: $1"; }

start_as_user green tenant-verify --tenant green --namespace 3 --mode mixed --seconds 3600 --length 4194304 --json >/tmp/green.json
green=$!
hold blue 2
blue=$!
wait_for 30 grep -q holding /tmp/blue.out
homictl lease revoke "$(lease_of blue)" --grace 1s
wait_for 20 one_quarantined || { homictl list vfs; fail 'the VF is not quarantined'; }
homictl list vfs
kill -0 "$blue" || fail 'blue was to live on'
number=$(admin '.virtualFunctions[] | select(.state == "quarantined").controllerId' list vfs)
equal 'the state of its secondary controller' 0x0000 "$(nvme list-secondary "/dev/$(controller)" -e 4 |
  awk -v id="$(printf '0x%04x' "$number")" '$1 == "SCID" { mine = ($NF == id) } mine && $1 == "SCS" { sub(/.*: /, ""); print $1; exit }')"
said 'lease is being revoked .* uid=0: revoked by the operator: it is taken away in 1 s'
said "lease lost .* pid=$blue uid=1001: revoked by the operator"
kill -KILL "$blue"
wait "$blue" 2>/dev/null || true
wait_for 30 all_vfs_ready 3 || { homictl list vfs; fail 'the VF did not come back'; }

hold blue 2
blue=$!
wait_for 30 grep -q holding /tmp/blue.out
homictl lease revoke "$(lease_of blue)" --kill
status=0
{ wait "$blue" || status=$?; } 2>/dev/null
equal 'how blue ended' 137 "$status"
homictl vf alloc --tenant blue --expires 1s
wait_for 20 one_lease || fail 'the reservation did not expire'
wait_for 30 all_vfs_ready 3 || { homictl list vfs; fail 'not every VF came back'; }

# A reload takes nothing away, and a wrong configuration is refused by it.
mkdir -p /etc/homi/homid.conf.d
echo '{ "tenants": [{ "name": "green", "namespaces": [] }, { "name": "grey", "users": [1005], "devices": ["ssd0"] }] }' \
  >/etc/homi/homid.conf.d/60-reload.conf
systemctl reload homid || fail 'the reload failed'
four_tenants() { [ "$(admin '.tenants | length' list tenants)" = 4 ]; }
wait_for 10 four_tenants || fail 'the new tenant is not there'
said 'the configuration was read again'
echo '{ "tenants": 7 }' >/etc/homi/homid.conf.d/70-wrong.conf
systemctl reload homid && fail 'a wrong configuration was taken'
four_tenants || fail 'a wrong configuration changed something'
one_lease || fail 'a reload took a lease away'
kill -TERM "$green"
wait "$green" || fail 'green saw an error or a miscompare'
sound /tmp/green.json
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
