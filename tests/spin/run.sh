#!/bin/bash
# Proves with spin that no doorbell is lost when its reader goes to sleep, and that each part of the protocol is needed: a
# model without it must be found wrong. Usage: run.sh RESULTS (from the top of the tree)
set -euo pipefail
results=$1
model=$PWD/tests/spin/sleep.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# search SPIN-OPTIONS -- PAN-OPTIONS: the number of errors, and of states looked at.
search() {
  local options=() checker=(-O1 -DSAFETY -DCOLLAPSE)
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  if [[ " ${options[*]} " == *LIVENESS* ]]; then checker=(-O1 -DNFAIR=4); fi
  cd "$work"
  spin "${options[@]}" -a "$model" >/dev/null
  gcc "${checker[@]}" -w -o pan pan.c
  # What is left unsearched proves nothing: a search that hits a limit must not count.
  timeout 300 ./pan -m1000000 "$@" >out 2>&1 || { cat out >&2; return 1; }
  if grep -q 'search not completed\|max search depth too small' out && ! grep -q 'errors: [1-9]' out; then
    cat out >&2
    return 1
  fi
  awk '/errors:/ { errors = $NF } /states, stored/ { states = $1 } END { print errors, states }' out
}

# expect NAME right|wrong SEARCH…
expect() {
  local name=$1 verdict=$2 errors=- states=- mark=FAIL
  shift 2
  read -r errors states < <(search "$@") || true
  if [ "$verdict" = right ] && [ "$errors" = 0 ]; then mark=ok; fi
  if [ "$verdict" = wrong ] && [[ $errors == [1-9]* ]]; then mark=ok; fi
  if [ "$mark" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-5s %-52s %s: %s errors in %s states\n' "$mark" "$name" "expected $verdict" "$errors" "$states"
}

expect 'no doorbell is lost' right --
expect 'every doorbell is forwarded in the end' right -DLIVENESS -DRINGS=1 -- -a -f -N delivered
expect 'without the look after the barrier' wrong -DWITHOUT_LOOK --
expect 'without membarrier' wrong -DWITHOUT_MEMBARRIER --
expect 'with a fence on the own CPU alone' wrong -DFENCE_ALONE --
expect 'with the wake word after the look' wrong -DWORD_AFTER_LOOK --
expect 'with the tenant looking before it stores' wrong -DWAKE_BEFORE_STORE --
expect 'with the tail of the next command before the head' wrong -DTAIL_BEFORE_HEAD --
mkdir -p "$results"
echo "spin: $passed passed, $failed failed" | tee "$results/spin"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
