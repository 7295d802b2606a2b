#!/bin/bash
# Runs every Check program of a folder and adds their counts up. Usage: run-unit.sh RESULTS FOLDER
set -u
results=$1 folder=$2
passed=0 failed=0
mkdir -p "$results"
for program in "$folder"/test_*; do
  if [ ! -x "$program" ] || [[ $program == *.d ]]; then continue; fi
  output=$(timeout 120 "$program" 2>&1)
  status=$?
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
