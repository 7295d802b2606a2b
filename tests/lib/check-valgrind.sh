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

# Its helper processes are watched by pidfds, without which they do not start and its cases wait in vain.
skipped=test_helper
programs=()
for program in "$folder"/test_*; do
  if [ "$(basename "$program")" = "$skipped" ]; then continue; fi
  if [ $# -gt 0 ] && [[ " $* " != *" $(basename "$program") "* ]]; then continue; fi
  if [ -x "$program" ] && [[ $program != *.d ]]; then programs+=("$program"); fi
done

# Valgrind runs one thread at a time and some thirty times slower: one sequence of the core's is enough here, and what a
# case waits for may take its time. Each process of a program has a file of its own, empty unless it has something to say.
export CK_TIMEOUT_MULTIPLIER=20 HOMI_SEEDS=1 OUTPUTS=$outputs
# shellcheck disable=SC2016 # expanded by the shell that runs one program
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
  timeout 600 valgrind --quiet --leak-check=full --show-leak-kinds=definite --fair-sched=yes \
    --log-file="$OUTPUTS/$(basename "$0").%p" "$0" >"$OUTPUTS/$(basename "$0").output" 2>&1 || true'

passed=0 failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program")
  # A process whose case is that it is asked to end says so, in a paragraph of its own, which is no report of an error.
  reports=$(awk '/^==[0-9]+== *$/ { said = 0; next } /Process terminating .* of signal (1|2|15) / { said = 1 }
    /^==/ && !said' "$outputs/$name".[0-9]*)
  if [ -n "$reports" ] || ! grep -q 'Checks: [1-9]' "$outputs/$name.output"; then
    failed=$((failed + 1))
    echo "==== $name"
    if [ -n "$reports" ]; then head -n 60 <<<"$reports"; else tail -n 20 "$outputs/$name.output"; fi
  else
    passed=$((passed + 1))
  fi
done
echo "valgrind: $passed passed, $failed failed" | tee "$results/valgrind"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
