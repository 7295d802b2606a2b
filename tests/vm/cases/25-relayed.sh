#!/bin/bash
# A tenant that nobody trusts (amber) does verified I/O through the relay, beside a direct one. The relay has no rights, dies
# under load without a lost command, sleeps without work, survives homid, and lets go of a VF that is given back.
# timeout: 240
write_config
cat >/etc/homi/homid.conf.d/50-relayed.conf <<'CONF'
{ "tenants": [{ "name": "green", "namespaces": [] },
              { "name": "amber", "namespaces": [{ "device": "ssd0", "id": 3 }] }] }
CONF
start_homid
equal 'what direct means on this device' trustedOnly "$(admin '.devices[0].confinement' list devices)"
journalctl -q -u homid -o cat | grep 'direct delegation: trusted only: it executes' >/dev/null || fail 'the journal has no verdict'
as_amber=(setpriv --reuid 1004 --regid 1004 --clear-groups "$(command -v tenant-verify)" --tenant amber)
relay_pid() { systemctl show -p MainPID --value homid-relay; }
relay_runs() { [ "$(relay_pid)" -gt 0 ]; }
relay_cpu() { awk '/^usage_usec/ { print $2 }' /sys/fs/cgroup/system.slice/homid-relay.service/cpu.stat; }

# Load on both paths, and the relay killed again and again.
"${as_amber[@]}" --namespace 3 --mode mixed --seconds 16 --queue-pairs 2 --length 4194304 --json >/tmp/amber.json & amber=$!
start_as_user blue tenant-verify --tenant blue --namespace 2 --mode mixed --seconds 16 --length 4194304 --pattern-seed 2 --json >/tmp/blue.json
blue=$!
wait_for 30 queues_are 3 || fail 'the tenants did not get their queue pairs'
wait_for 10 relay_runs || fail 'no relay runs'
pid=$(relay_pid)
equal 'capabilities of the relay' 0000000000000000 "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")"
[ "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" -ne 0 ] || fail 'the relay is root'
equal 'descriptors of VFIO in the relay' 0 "$(find "/proc/$pid/fd" -lname '*vfio*' | wc -l)"
equal 'mappings of VFIO in the relay' 1 "$(grep -c vfio "/proc/$pid/maps")"
kills=0
while kill -0 "$amber" 2>/dev/null; do
  pid=$(relay_pid)
  if [ "$pid" -gt 0 ] && kill -KILL "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
  sleep 1
done
wait "$amber" || fail 'amber failed'
wait "$blue" || fail 'blue failed'
sound /tmp/amber.json /tmp/blue.json
note "the relay was killed $kills times"
[ "$kills" -ge 2 ] || fail 'the relay was hardly killed'

# A tenant that does nothing costs nothing, and goes on afterwards. What it gives back is free at once.
wait_for 20 nothing_held || fail 'something is still held'
"${as_amber[@]}" --namespace 3 --mode write-verify --length 1048576 --hold >/tmp/hold & holder=$!
wait_for 30 grep -q holding /tmp/hold
sleep 1
before=$(relay_cpu)
sleep 5
note "the relay used $((($(relay_cpu) - before) / 1000)) ms of CPU in 5 s without work"
[ $(($(relay_cpu) - before)) -lt 50000 ] || fail 'the relay does not sleep'

# A relay that is stopped holds nothing up for ever: homid takes it for stuck and kills it.
kill -STOP "$(relay_pid)"
kill "$holder"; wait "$holder" || true
wait_for 40 nothing_held || fail 'the VF is still held by a stuck relay'
wait_for 10 grep -q killed <(journalctl -q -u homid -o cat) || fail 'nothing says that the relay was killed'
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
