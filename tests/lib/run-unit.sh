#!/bin/bash
# Runs every Check program of a folder and adds their counts up. Usage: run-unit.sh RESULTS FOLDER
set -u
results=$1 folder=$2
passed=0 failed=0
outputs=$results/unit.d
# These only end what hangs: on a busy machine a test may take many times as long as on a quiet one.
export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60} PROGRAM_TIMEOUT=${PROGRAM_TIMEOUT:-300}
rm -rf "$outputs"
mkdir -p "$outputs"

programs=()
for program in "$folder"/test_*; do
  if [ -x "$program" ] && [[ $program != *.d ]]; then programs+=("$program"); fi
done
# One on each CPU at a time; what each printed and how it ended is looked at afterwards, in order.
# shellcheck disable=SC2016 # expanded by the shell that runs one program
printf '%s\0' "${programs[@]}" | OUTPUTS=$outputs xargs -0 -n 1 -P "$(nproc)" bash -c '
  timeout "$PROGRAM_TIMEOUT" "$0" >"$OUTPUTS/$(basename "$0")" 2>&1
  echo "$?" >"$OUTPUTS/$(basename "$0").status"'

for program in "${programs[@]}"; do
  output=$(cat "$outputs/$(basename "$program")")
  status=$(cat "$outputs/$(basename "$program").status")
  summary=$(grep -oE 'Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+' <<<"$output" | tail -n 1)
  if [[ $summary =~ Checks:\ ([0-9]+),\ Failures:\ ([0-9]+),\ Errors:\ ([0-9]+) ]]; then
    bad=$((BASH_REMATCH[2] + BASH_REMATCH[3]))
    # A leak report fails the program although each of its cases passed.
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    good=$((BASH_REMATCH[1] - bad))
    if [ "$good" -lt 0 ]; then good=0; fi
  else
    good=0 bad=1
  fi
  if [ "$bad" -ne 0 ]; then printf '%s\n' "$output"; fi
  printf '%-40s %4d passed, %d failed\n' "$(basename "$program")" "$good" "$bad"
  passed=$((passed + good)) failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed" | tee "$results/unit"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
