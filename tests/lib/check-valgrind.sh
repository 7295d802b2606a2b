#!/bin/bash
# Runs every Check program of a folder under valgrind: reads of what was never written, which no sanitizer here finds, and
# what is lost. Each case is a process of its own, whose end with 99 Check counts as a failure.
# Usage: check-valgrind.sh RESULTS FOLDER
set -u
results=$1 folder=$2
outputs=$results/valgrind.d
rm -rf "$outputs"
mkdir -p "$outputs"

# Valgrind runs one thread at a time and some thirty times slower: one sequence of the core's is enough here, and what a
# case waits for may take its time.
export CK_TIMEOUT_MULTIPLIER=50 CK_DEFAULT_TIMEOUT=200 HOMI_SEEDS=1 OUTPUTS=$outputs
programs=()
for program in "$folder"/test_*; do
  if [ -x "$program" ] && [[ $program != *.d ]]; then programs+=("$program"); fi
done
# shellcheck disable=SC2016 # expanded by the shell that runs one program
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
  valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --fair-sched=yes "$0" >"$OUTPUTS/$(basename "$0")" 2>&1
  echo "$?" >"$OUTPUTS/$(basename "$0").status"'

passed=0 failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program")
  if [ "$(cat "$outputs/$name.status")" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "==== $name"
    tail -n 60 "$outputs/$name"
  fi
done
echo "valgrind: $passed passed, $failed failed" | tee "$results/valgrind"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
