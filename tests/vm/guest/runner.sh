#!/bin/bash
# Runs the cases of the plan in the guest, one after the other, each under its time limit, in a cgroup of its own that is
# emptied afterwards. Everything goes to the virtio port: the cases' output as it comes, and lines that begin with the
# boot's mark for the host (ready, begin, alive, result, unclean, done).
set -u
tests=/usr/lib/homi-tests
read -r mark <"$tests/mark"
exec >/dev/virtio-ports/homi 2>&1 </dev/null
# shellcheck source=tests/vm/guest/lib.sh
. "$tests/guest/lib.sh"
group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/case
mkdir -p "$group"
cd /

# start_case NAME LIMIT OUTPUT: ends its output with a marked line that carries the status.
start_case() {
  # shellcheck disable=SC2016 # expanded by the case's shell
  timeout -k 5 "$2" bash -c 'echo $$ >"$0/cgroup.procs"; exec 2>&1; . "$1"; set -euo pipefail; . "$2"' \
    "$group" "$tests/guest/lib.sh" "$tests/cases/$1.sh" >"$3"
  printf '%s exit %d\n' "$mark" $? >"$3"
}

# follow FD LIMIT: copies the case's output, tells the host that the guest lives, sets status (124: it did not end).
follow() {
  local line='' part='' end=$((SECONDS + $2 + 20))
  status=124
  while [ "$SECONDS" -lt "$end" ]; do
    if ! IFS= read -r -t 5 line <&"$1"; then part+=$line; echo "$mark alive"; continue; fi
    line=$part$line part=
    if [[ $line == *"$mark exit "* ]]; then
      status=${line##* }
      [ "${line%%"$mark"*}" = '' ] || echo "${line%%"$mark"*}"
      return
    fi
    printf '%s\n' "$line"
  done
}

# Nothing of a case outlives it; a process that even SIGKILL does not end makes the machine useless for the next one.
empty_group() {
  echo 1 >"$group/cgroup.kill"
  wait_for 10 grep -q 'populated 0' "$group/cgroup.events"
}

diagnose() {
  echo "---- journal of $1"
  journalctl -q --no-pager -o short-monotonic --since "@$HOMI_CASE_STARTED" | tail -n 80
  echo "---- kernel log"
  dmesg --facility=kern | tail -n 15
  echo "---- processes that wait in the kernel"
  ps -eo pid,stat,wchan:32,args | awk '$2 ~ /^D/'
  echo "----"
}

run_case() {
  local name=$1 limit=$2 fifo output begin verdict
  fifo=/run/homi-case.$name
  mkfifo "$fifo"
  exec {output}<>"$fifo"
  echo "$mark begin $name"
  export HOMI_CASE_STARTED=$EPOCHSECONDS
  begin=$SECONDS
  start_case "$name" "$limit" "$fifo" &
  follow "$output" "$limit"
  local seconds=$((SECONDS - begin))
  exec {output}>&-
  rm -f "$fifo"
  case $status in
    0) verdict=ok ;;
    77) verdict=skip ;;
    124 | 137) verdict=hang ;;
    *) verdict=FAIL ;;
  esac
  # A developer's command (exec) may fail as it likes; only its hanging is worth an explanation.
  if [ "$verdict" = hang ] || { [ "$verdict" = FAIL ] && [ "$name" != exec ]; }; then diagnose "$name"; fi
  echo "$mark result $name $verdict $seconds $status"
  empty_group && restore_machine
}

# `is-system-running --wait` would need a message bus; the guest has none.
wait_for 60 sh -c 'systemctl is-system-running | grep -qE "running|degraded"'
udevadm settle --timeout 30
echo "$mark ready"
while read -r name limit; do
  if ! run_case "$name" "$limit"; then echo "$mark unclean $name"; break; fi
done <"$tests/plan"
echo "$mark done"
