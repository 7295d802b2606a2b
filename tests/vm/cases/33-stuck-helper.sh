#!/bin/bash
# homid is killed while one of its helpers is stuck in the kernel, which waits for a tenant that does not let go of its VF. The
# next homid serves at once, keeps its hands off the SSD, says whose fault it is, and brings the SSD up when the helper is gone.
# timeout: 240
write_config
start_homid
start_as_user blue tenant-verify --tenant blue --namespace 2 --length 1048576 --hold >/tmp/hold
blue=$!
wait_for 30 grep -q holding /tmp/hold
echo 0 >"$(pf_device)/sriov_numvfs" & writer=$!
stuck_helper() { ps -eo pid=,stat=,comm= | awk '$2 ~ /^D/ && $3 == "homid-helper" { print $1 }' | head -n 1; }
is_stuck() { [ -n "$(stuck_helper)" ]; }
wait_for 40 is_stuck || fail 'no helper is stuck'
helper=$(stuck_helper)
killed=$EPOCHREALTIME
kill -KILL "$(homid_pid)"
answers() { homictl --json status >/tmp/status.json || [ $? -eq 5 ]; }
wait_for 20 answers || fail 'the next homid does not serve'
note "the next homid serves after $(awk -v a="$killed" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"
why() { admin '.devices[0] | "\(.state): \(.reason)"' list devices; }
says_why() { why | grep -q "quarantined: probing: process $helper, which an earlier homid started, is still at work"; }
wait_for 20 says_why || fail "the SSD is not kept out for it: $(why)"
kill -0 "$helper" || fail 'the helper is gone by itself'
kill -KILL "$blue"
wait "$writer" || true
others_ready() { [ "$(vfs_in_state ready)" -ge 3 ] && [ "$(admin '.devices[0].state' list devices)" = ready ]; }
wait_for 60 others_ready || fail "the SSD does not come back: $(why)"
as_user green tenant-verify --tenant green --namespace 3 --length 1048576 --json >/tmp/after.json
sound /tmp/after.json
