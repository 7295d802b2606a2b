#!/bin/bash
# Runs fuzz targets one after the other, each for so many seconds, and says how many inputs each tried. What a target finds
# new stays in FOLDER/corpus-NAME; an input that ended it lies in FOLDER as crash-…, leak-… or timeout-….
# Usage: run.sh RESULTS FOLDER SECONDS NAME...
set -uo pipefail
results=$1 folder=$2 seconds=$3
shift 3
passed=0 failed=0
mkdir -p "$results"
for name in "$@"; do
  grown=$folder/corpus-$name log=$folder/$name.log
  mkdir -p "$grown"
  code=0 options=()
  # Its core lives on from one input to the next, so that leaks can only be told at the end.
  if [ "$name" = protocol ]; then options+=(-detect_leaks=0); fi
  "$folder/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=4096 -close_fd_mask=3 \
    -print_final_stats=1 -artifact_prefix="$folder/" "${options[@]}" "$grown" "tests/fuzz/corpus/$name" >"$log" 2>&1 || code=$?
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "$code" -eq 0 ] && [ "${tried:-0}" -gt 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    grep -aE 'ERROR|SUMMARY|does not hold|Test unit written' "$log" | head -n 5
  fi
  printf '%-14s %12s inputs tried in %s s: %s\n' "$name" "${tried:-no}" "$seconds" "$([ "$code" -eq 0 ] && echo fine || echo "ended with $code, see $log")"
done
echo "fuzz: $passed passed, $failed failed" | tee "$results/fuzz"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
