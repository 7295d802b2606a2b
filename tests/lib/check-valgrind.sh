#!/bin/bash
# Runs every Check program of a folder under valgrind: reads of what was never written, which no sanitizer here finds, and
# what is lost. Valgrind's reports alone decide: whether the cases pass is for check-unit to say, since some cannot here
# (valgrind knows no pidfd_open, and takes descriptors of its own where a case counts them).
# Usage: check-valgrind.sh RESULTS FOLDER [PROGRAM...]
set -euo pipefail
results=$1 folder=$2
shift 2
outputs=$results/valgrind.d
rm -rf "$outputs"
mkdir -p "$outputs"

programs=()
for program in "$folder"/test_*; do
  if [ $# -gt 0 ] && [[ " $* " != *" $(basename "$program") "* ]]; then continue; fi
  if [ -x "$program" ] && [[ $program != *.d ]]; then programs+=("$program"); fi
done

# Valgrind runs one thread at a time and some thirty times slower: one sequence of the core's is enough here, and what a
# case waits for may take its time. Each process of a program has a file of its own, empty unless it has something to say.
export CK_TIMEOUT_MULTIPLIER=20 HOMI_SEEDS=1 OUTPUTS=$outputs
# shellcheck disable=SC2016 # expanded by the shell that runs one program
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
  valgrind --quiet --leak-check=full --show-leak-kinds=definite --fair-sched=yes \
    --log-file="$OUTPUTS/$(basename "$0").%p" "$0" >"$OUTPUTS/$(basename "$0").output" 2>&1 || true'

passed=0 failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program")
  if ! grep -q 'Checks: [1-9]' "$outputs/$name.output" || grep -hq '^==' "$outputs/$name".[0-9]*; then
    failed=$((failed + 1))
    echo "==== $name"
    grep -h '^==' "$outputs/$name".[0-9]* | head -n 60 || tail -n 20 "$outputs/$name.output"
  else
    passed=$((passed + 1))
  fi
done
echo "valgrind: $passed passed, $failed failed" | tee "$results/valgrind"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
