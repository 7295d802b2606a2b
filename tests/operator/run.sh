#!/bin/bash
# The operator's day without root and without hardware: homictl, its completion and its documents, against a homid with the
# software SSD. Usage: run.sh RESULTS BUILD [CASE]...  (from the top of the tree)
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
results=$1 build=$(cd "$2" && pwd)
shift 2
passed=0 failed=0
cd "$top" || exit 1
unset NO_COLOR

# shellcheck source=tests/operator/lib.sh
source tests/operator/lib.sh
for file in tests/operator/cases/*.sh; do
  # shellcheck disable=SC1090 # each is a list of cases
  source "$file"
done

# run_case NAME: in a shell of its own, so that a failed line ends the case.
run_case() {
  local output status begin=$SECONDS
  folder=$(mktemp -d /tmp/homi-operator.XXXXXX)
  # Not as a condition: there the shell would go on after a failed line.
  (set -eu; trap 'stop_homid' EXIT; homid=''; "$1") >"$folder/output" 2>&1 </dev/null
  status=$?
  output=$(cat "$folder/output")
  if [ "$status" -eq 0 ]; then
    printf 'ok    %s\n' "$(tr _ ' ' <<<"${1#case_}")"
  else
    printf 'FAIL  %s (%d s)\n      %s\n' "$(tr _ ' ' <<<"${1#case_}")" $((SECONDS - begin)) "${output//$'\n'/$'\n'      }"
  fi
  rm -rf "$folder"
}

if [ $# -eq 0 ]; then mapfile -t cases < <(declare -F | sed -n 's/^declare -f \(case_.*\)/\1/p'); else cases=("$@"); fi
# Several at a time, since most of what they do is wait; each has a homid of its own.
reports=$(mktemp -d /tmp/homi-operator.XXXXXX)
for name in "${cases[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge 4 ]; do wait -n; done
  run_case "$name" >"$reports/$name" &
done
wait
for name in "${cases[@]}"; do
  cat "$reports/$name"
  if grep -q '^ok ' "$reports/$name"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
rm -rf "$reports"
mkdir -p "$results"
echo "operator: $passed passed, $failed failed" | tee "$results/operator"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
