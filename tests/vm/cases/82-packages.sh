#!/bin/bash
# The Debian packages as a user installs them: nothing runs after the installation; after one edit of the configuration and
# `systemctl enable --now homid.socket` an unprivileged member of the tenant's group runs the example program that was built
# from libhomi-dev; removing them stops what ran and keeps the configuration, purging them leaves nothing.
# timeout: 300
# packages: yes
packages=$HOMI_TESTS/packages
# Out of the way: what the other cases run.
tar -C / -cf /tmp/installed.tar -T "$HOMI_TESTS/installed"
(cd / && xargs rm -f <"$HOMI_TESTS/installed")
restore() { tar -C / -xf /tmp/installed.tar; ldconfig; systemctl daemon-reload; }
trap restore EXIT
if command -v homid >/dev/null; then fail 'homid is still there'; fi
userdel homi 2>/dev/null || true
groupdel homi 2>/dev/null || true
groupadd --system homi # what older packages made

# Not libhomi-dev, which a machine that compiles nothing does not need.
dpkg --force-unsafe-io -i "$packages"/{homid,homictl,libhomi0}_*.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail 'dpkg -i'; }
for package in homid homictl libhomi0; do
  equal "state of $package" 'install ok installed' "$(dpkg-query -W -f='${Status}' "$package")"
done
equal 'homid after the installation' inactive "$(systemctl is-active homid.service || true)"
equal 'homid.socket after the installation' disabled "$(systemctl is-enabled homid.socket || true)"
equal 'group of the user homi' homi "$(id -gn homi)"
homid --check-config

groupadd -f storage
cat >/etc/homi/homid.conf.d/mine.conf <<'CONF'
{
  "devices": [{ "name": "ssd0", "serial": "HOMI0", "virtualFunctions": 2 }],
  "tenants": [{ "name": "blue", "trusted": true, "groups": ["storage"], "devices": ["ssd0"],
                "namespaces": [{ "device": "ssd0", "id": 2 }] }]
}
CONF
systemctl enable --now homid.socket 2>/dev/null
equal 'homid.socket once enabled' active "$(systemctl is-active homid.socket)"
run_example() {
  setpriv --reuid red --regid red --groups "$(id -g red),$(getent group storage | cut -d: -f3)" --inh-caps=-all \
    --bounding-set=-all --no-new-privs "$packages/first-tenant" blue
}
said=$(run_example) || fail "the example: $said"
note "$said"
grep -q '^read back: Hello' <<<"$said" || fail 'the example did not read back what it wrote'
refused_with 'not permitted\|may not\|tenant' setpriv --reuid red --regid red --clear-groups "$packages/first-tenant" blue
equal 'user of homid' homi "$(ps -o user= -p "$(homid_pid)")"
note "$(homictl --version), $(homictl list vfs | grep -c ready) virtual functions ready"

systemctl start homid-metrics.socket
exec 3<>/dev/tcp/127.0.0.1/9188
printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3
timeout 20 cat <&3 >/tmp/metrics || true
exec 3>&-
grep -q '^HTTP/1.1 200 OK' /tmp/metrics || { cat /tmp/metrics; fail 'no metrics over HTTP'; }
grep -q '^homi_functions{state="ready"} 2' /tmp/metrics || fail 'the metrics do not know of the functions'

dpkg --remove homid >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail 'dpkg --remove'; }
equal 'homid once removed' inactive "$(systemctl is-active homid.service || true)"
equal 'homid.socket once removed' inactive "$(systemctl is-active homid.socket || true)"
[ -e /etc/homi/homid.conf ] || fail 'the configuration went with the package'
rm /etc/homi/homid.conf.d/mine.conf
dpkg --purge homid homictl libhomi0 >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail 'dpkg --purge'; }
for left in /etc/homi /usr/sbin/homid /usr/bin/homictl /lib/systemd/system/homid.service /etc/systemd/system/sockets.target.wants/homid.socket; do
  if [ -e "$left" ] || [ -L "$left" ]; then fail "$left is left"; fi
done
