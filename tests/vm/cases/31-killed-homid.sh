#!/bin/bash
# homid is killed: systemd starts it again, it finds its VFs and makes them ready, and tenants can attach again.
# timeout: 120
write_config
start_homid
as_user blue tenant-verify --tenant blue --namespace 2 --length 1048576 --json >/tmp/before.json
sound /tmp/before.json
pid=$(homid_pid)
kill -KILL "$pid"
another() { [ "$(homid_pid)" != "$pid" ] && [ "$(homid_pid)" != 0 ] && [ "$(admin .ready status)" = true ]; }
wait_for 60 another || fail 'homid did not come back'
all_vfs_ready || fail 'not every VF is ready'
as_user blue tenant-verify --tenant blue --namespace 2 --length 1048576 --json >/tmp/after.json
sound /tmp/after.json
