# shellcheck shell=bash disable=SC2154,SC2034
# homictl's commands against a homid that serves.

case_show_finds_an_object_of_every_kind() {
  start_homid
  local lease vf
  read -r lease vf <<<"$(homictl vf alloc --tenant blue)"
  says '^DEVICE +ssd0$' "$(homictl show ssd0)"
  says "^$vf " "$(homictl show ssd0)"
  says "^LEASE +$lease$" "$(homictl show "$vf")"
  says "^TENANT +blue$" "$(homictl show "$lease")"
  says "^$lease " "$(homictl show blue)"
  says '^SIZE +4.0MiB$' "$(homictl show ssd0:1)"
  equal 'kind and object' 'tenant blue' "$(homictl show blue --json | jq -r '"\(.kind) \(.tenant.name)"')"
  equal 'leases of the tenant' "[\"$lease\"]" "$(homictl show blue --json | jq -c '[.leases[].name]')"
  equal 'functions of green' '[]' "$(homictl tenant green --json | jq -c .virtualFunctions)"
  says 'has no device, virtual function, lease or tenant' "$(status_of 1 homictl show nobody)"
  says 'no such tenant' "$(status_of 1 homictl tenant ssd0)"
  says '^blue ' "$(homictl tenant)"
}

case_wide_tables_show_every_column() {
  start_homid
  if grep -q FIRMWARE <<<"$(homictl list devices)"; then fail 'the firmware is there without being asked for'; fi
  says 'FIRMWARE .*INTERRUPTS/VF' "$(homictl list devices -o wide)"
  says 'BLOCKS' "$(homictl list namespaces --output wide)"
  equal 'json as an output' "$(homictl list devices --json)" "$(homictl list devices -o json)"
  says 'takes table, wide or json' "$(status_of 2 homictl status -o xml)"
}

case_top_shows_again_and_again() {
  start_homid
  homictl vf alloc --tenant blue --device ssd0 >/dev/null # lease-1
  local seen
  seen=$(timeout 1.5 "$build/homictl" top --interval 1 || [ $? -eq 124 ])
  equal 'looks of top' 2 "$(grep -c '1 leases, 0 queue pairs' <<<"$seen")"
  says '^blue +yes' "$seen"
  seen=$(timeout 1.5 "$build/homictl" top --json || [ $? -eq 124 ])
  equal 'objects of top' 'lease-1
lease-1' "$(jq -r '.leases[0].name' <<<"$seen")"
}

case_provision_waits_and_says_what_is_not_ready() {
  start_homid
  says '^ssd0 +ready' "$(homictl provision)"
  equal 'device by json' ready "$(homictl provision ssd0 --json | jq -r '.devices[0].state')"
  says 'no such device' "$(status_of 1 homictl provision ssd7)"
  stop_homid
  sed -i 's/"queuePairs": 4/"queuePairs": 4000/' "$folder/homid.conf"
  XDG_RUNTIME_DIR=$folder "$build/homid" --config "$folder/homid.conf" --model="$SSD" >"$folder/homid.log" 2>&1 &
  homid=$!
  wait_for 20 test -S "$HOMI_ADMIN_SOCKET"
  wait_for 20 sh -c "'$build/homictl' status | grep -q quarantined"
  says 'cannot provision ssd0: it is quarantined' "$(status_of 5 homictl provision)"
}

case_drain_waits_or_says_what_stands() {
  start_homid
  local lease _
  read -r lease _ <<<"$(homictl vf alloc --tenant blue)"
  says "lease $lease|$lease" "$(status_of 1 homictl drain --wait 0)"
  homictl vf free "$(homictl vf alloc --tenant green | cut -d' ' -f1)" # leases are granted again
  (sleep 0.5; homictl vf free "$lease") &
  homictl drain --wait 20
  says 'being drained' "$(status_of 1 homictl vf alloc --tenant blue)"
  says 'no lease is granted: homid is being drained' "$(status_of 5 homictl status)"
  homictl undrain
  homictl status >/dev/null
  homictl vf alloc --tenant blue >/dev/null
  wait $!
}

case_config_check_asks_homid() {
  start_homid
  says 'the configuration is right' "$(homictl config check --config "$folder/homid.conf")"
  sed -i 's/"queuePairs"/"queuePears"/' "$folder/homid.conf"
  says 'queuePears' "$(status_of 1 homictl config check --config "$folder/homid.conf")"
  equal 'verdict' false "$(homictl config check --config "$folder/homid.conf" --json 2>/dev/null | jq .right || true)"
  says 'No such file' "$(status_of 1 homictl config check --config "$folder/nothing.conf")"
}

# A terminal by script(1): what takes long shows that, and goes away again.
case_progress_is_shown_on_a_terminal_alone() {
  local fake=$folder/fake.sock seen
  python3 - "$fake" <<'PYTHON' &
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(4)
for _ in range(2):
    connection, _ = listener.accept()
    connection.recv(4096)
    time.sleep(1.4)
    connection.send(b'{"parameters":{}}\0')
PYTHON
  homid=$!
  wait_for 10 test -S "$fake"
  seen=$(script -qec "'$build/homictl' --socket '$fake' vf free blue-1" /dev/null)
  says 'waiting to free lease blue-1 ... 1 s' "$seen"
  seen=$(homictl --socket "$fake" vf free blue-1 2>&1)
  equal 'what is shown elsewhere' '' "$seen"
}
