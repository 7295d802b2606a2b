#!/bin/bash
# Runs cases in the guest, all of one machine in one boot, and shows their output as it comes. Usage:
#   run.sh [OPTION]… [CASE]…     cases by number, name or file; all of tests/vm/cases without (or $HOMI_VM_CASES)
#   run.sh [OPTION]… --exec 'COMMAND'   one command in a booted guest, as root; its exit status becomes this one's
# Options: --bare (without HOMI's programs), --add FILE:GUEST-PATH, --machine 'ssds=2 plain=1' (boot.sh; for --exec),
#   --timeout SECONDS (for --exec; 300), --quiet (nothing but the output of --exec).
# A case is bash with the helpers of guest/lib.sh. Header lines: `# timeout: SECONDS` (60) and `# machine: ssds=2`.
# Ends with "vm: N passed, N failed" and leaves that line in build/results/vm. A guest that does not come up in
# $HOMI_VM_BOOT_TIMEOUT (180) seconds, or goes silent, is ended, reported as a hang and booted once more.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$top/build
boot_timeout=${HOMI_VM_BOOT_TIMEOUT:-180}
silence=90 # the runner speaks every 5 s
bare='' command='' machine='' limit=300 quiet=''
extras=() names=()
passed=0 failed=0 skipped=0
qemu='' folder=''

usage() { sed -n '3,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --bare) bare=bare ;;
    --quiet) quiet=1 ;;
    --add) extras+=("$2"); shift ;;
    --machine) machine=$2; shift ;;
    --timeout) limit=$2; shift ;;
    --exec) command=$2; shift ;;
    -*) usage ;;
    *) names+=("$1") ;;
  esac
  shift
done

indent='    '
if [ -n "$quiet" ]; then indent=''; fi
say() { if [ -z "$quiet" ]; then printf '%s\n' "$*"; fi; }
stop_guest() {
  if [ -n "$qemu" ]; then kill -KILL "$qemu" 2>/dev/null || true; wait "$qemu" 2>/dev/null || true; qemu=''; fi
}
cleanup() {
  stop_guest
  if [ -n "$folder" ]; then
    cp "$folder/console.log" "$build/vm/console.log" 2>/dev/null || true
    rm -rf "$folder"
  fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# find_cases: fills folder/cases and the list of names.
find_cases() {
  local wanted match
  if [ -n "$command" ]; then
    printf '# timeout: %s\n# machine: %s\nset +eu +o pipefail\n%s\n' "$limit" "$machine" "$command" >"$folder/cases/exec.sh"
    names=(exec)
    return
  fi
  # shellcheck disable=SC2206 # a list of words
  if [ ${#names[@]} -eq 0 ]; then names=(${HOMI_VM_CASES:-}); fi
  if [ ${#names[@]} -eq 0 ]; then names=("$here"/cases/*.sh); fi
  local found=()
  for wanted in "${names[@]}"; do
    wanted=$(basename "$wanted" .sh)
    match=("$here"/cases/"$wanted".sh)
    if [ ! -e "${match[0]}" ]; then match=("$here"/cases/"$wanted"-*.sh); fi
    if [ ! -e "${match[0]}" ]; then echo "run.sh: no case '$wanted'" >&2; exit 2; fi
    found+=("$(basename "${match[0]}" .sh)")
  done
  names=("${found[@]}")
  cp "$here"/cases/*.sh "$folder/cases/"
}

header() { sed -n "s/^# $2: *//p" "$folder/cases/$1.sh" | head -n 1; }

# start_guest MACHINE CASE…
start_guest() {
  local settings=$1 name wait; shift
  for name; do wait=$(header "$name" timeout); echo "$name ${wait:-60}"; done >"$folder/plan"
  mark=@homi-$RANDOM$RANDOM
  "$here/payload.sh" "$folder/payload" "$folder/plan" "$mark" "$folder/cases" ${bare:+"$bare"} "${extras[@]}"
  # shellcheck disable=SC2086 # settings are words
  exec {guest}< <(exec "$here/boot.sh" "$image" "$folder/payload" "$folder" $settings </dev/null 2>"$folder/qemu.err")
  qemu=$!
}

# verdict NAME WORD SECONDS [WHY]
verdict() {
  case $2 in
    ok) passed=$((passed + 1)) ;;
    skip) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
  say "$(printf '%-4s %s (%s s)%s' "$2" "$1" "$3" "${4:+: $4}")"
}

# follow_guest: shows what comes and records results, until the runner is done (0) or the guest is lost (1, `lost` says how).
follow_guest() {
  local line words wait=$boot_timeout status
  running='' ready='' lost=''
  while :; do
    status=0
    IFS= read -r -t "$wait" line <&"$guest" || status=$?
    if [ "$status" -gt 128 ]; then lost="silent for $wait s"; return 1; fi
    if [ "$status" -ne 0 ]; then lost="QEMU ended $(tail -n 3 "$folder/qemu.err")"; return 1; fi
    if [[ $line != "$mark "* ]]; then
      printf '%s%s\n' "$indent" "$line"
      continue
    fi
    read -r -a words <<<"$line"
    case ${words[1]} in
      ready) ready=1 wait=$silence; say "guest: ready after $((SECONDS - booted)) s" ;;
      begin) running=${words[2]}; if [ -z "$command" ]; then say "---- $running"; fi ;;
      result)
        finished+=("$running")
        if [ -n "$command" ]; then exec_status=${words[5]}; else verdict "${words[@]:2:3}"; fi
        running='' ;;
      unclean) say "guest: ${words[2]} left the machine unclean; the next case gets a new boot" ;;
      done) return 0 ;;
    esac
  done
}

# run_machine SETTINGS CASE…: boots until every case has its result. A boot or case that hangs gets one more try.
run_machine() {
  local settings=$1; shift
  local remaining boots=0 hung='' name
  local -A open=()
  for name; do open[$name]=1; done
  while [ ${#open[@]} -gt 0 ]; do
    finished=() remaining=() booted=$SECONDS
    for name; do if [ -n "${open[$name]+x}" ]; then remaining+=("$name"); fi; done
    start_guest "$settings" "${remaining[@]}"
    if ! follow_guest; then
      if [ -n "$ready" ]; then say "guest: hang while ${running:-no case} was running: $lost"; else say "guest: hang before it was ready: $lost"; fi
    fi
    stop_guest
    exec {guest}<&-
    if [ -n "$lost" ]; then
      say "---- end of the console"; tail -n 40 "$folder/console.log" | sed 's/^/    /'; say '----'
      if [ -z "$ready" ]; then
        boots=$((boots + 1))
        if [ $boots -eq 2 ]; then
          for name in "${remaining[@]}"; do verdict "$name" hang $((SECONDS - booted)) 'the guest did not boot, twice'; done
          return
        fi
      elif [ "$running" = "$hung" ]; then
        verdict "$running" hang $((SECONDS - booted)) "$lost, twice"
        finished+=("$running")
      else
        hung=$running
      fi
    fi
    for name in "${finished[@]}"; do unset "open[$name]"; done
  done
}

mkdir -p "$build/vm" "$build/results"
image=$("$here/image.sh")
folder=$(mktemp -d "$build/vm/run.XXXXXX")
mkdir "$folder/cases"
find_cases
exec_status=1
declare -A groups=()
order=()
for name in "${names[@]}"; do
  settings=$(header "$name" machine)
  if [ -z "${groups["m$settings"]+x}" ]; then order+=("m$settings"); fi
  groups["m$settings"]+=" $name"
done
for key in "${order[@]}"; do
  # shellcheck disable=SC2086 # names are words
  run_machine "${key#m}" ${groups[$key]}
done
if [ -n "$command" ]; then exit "$exec_status"; fi
summary="vm: $passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then summary+=", $skipped skipped"; fi
echo "$summary" | tee "$build/results/vm"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
