#!/bin/bash
# Everything that `make check` runs: each suite in turn, whatever the others did, then their counts added up. A suite that
# leaves no counts behind counts as one failure. Usage: check.sh RESULTS (from the top of the tree, as root)
set -uo pipefail
results=$1
suites=(lint unit hostile operator instructions spin packages vm)
declare -A targets=([lint]=lint [unit]=check-unit [hostile]=check-hostile [operator]=check-operator [instructions]=check-instructions [spin]=check-spin [packages]=check-packages [vm]=check-vm)

tests/lib/install-deps.sh || exit 1
rm -rf "$results"
# The guest's image is mostly waiting for the archive, so it is built beside the first suites; the guest's waits for it.
tests/vm/image.sh >/dev/null &
status=()
for suite in "${suites[@]}"; do
  begin=$SECONDS code=0
  make --no-print-directory "${targets[$suite]}" || code=$?
  status+=("$code")
  echo "==== $suite: $((SECONDS - begin)) s"
done

passed=0 failed=0
for i in "${!suites[@]}"; do
  line=$(tail -n 1 "$results/${suites[i]}" 2>/dev/null || true)
  if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    bad=${BASH_REMATCH[2]}
    if [ "$bad" -eq 0 ] && [ "${status[i]}" -ne 0 ]; then bad=1; fi
    failed=$((failed + bad))
  else
    line="${suites[i]}: no result"
    failed=$((failed + 1))
  fi
  echo "$line"
done
# Who used sudo keeps the right to build again without it.
if [ -n "${SUDO_UID:-}" ]; then chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$(dirname "$results")"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
