#!/bin/bash
# A configuration that is wrong is refused with file, line and key, and nothing is started or changed.
# timeout: 60
write_config
homid --check-config
sed -i 's/"virtualFunctions": 4/"virtualFunctions": 400/' /etc/homi/homid.conf
said=$(refused homid --check-config)
grep -qE '/etc/homi/homid.conf:[0-9]+:.*virtualFunctions' <<<"$said" || fail "no file, line and key: $said"
note "$said"
if timeout 20 systemctl start homid; then fail 'homid started with a bad configuration'; fi
equal 'VFs' 0 "$(cat "$(pf_device)/sriov_numvfs")"
write_config
echo '{ "tenants": [ { "name": "blue", "nonsense": 1 } ] }' >/etc/homi/homid.conf.d/50-bad.conf
refused homid --check-config | grep -E '50-bad.conf:1:.*nonsense' || fail 'a fragment with an unknown key is not named'
rm /etc/homi/homid.conf.d/50-bad.conf
