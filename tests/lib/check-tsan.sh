#!/bin/bash
# ThreadSanitizer where threads meet: the software SSD's pollers, in the unit tests and under homid, and homi-perf's workers.
# Any report fails the suite, whichever process wrote it. Usage: check-tsan.sh RESULTS BUILD
set -euo pipefail
results=$1 build=$2
reports=$results/tsan.d
rm -rf "$reports"
mkdir -p "$reports"
passed=0 failed=0
reports=$(realpath "$reports")

# step NAME COMMAND...: passes when the command does and no process of it reports anything.
step() {
  local name=$1 status=0
  shift
  TSAN_OPTIONS="log_path=$reports/$name" "$@" >"$reports/$name.output" 2>&1 || status=$?
  if [ "$status" -eq 0 ] && ! compgen -G "$reports/$name.[0-9]*" >/dev/null; then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s (exit status %d)\n' "$name" "$status"
    tail -n 40 "$reports/$name".*
  fi
}

# homi-perf with two threads on two queue pairs, against homid and the software SSD.
perf() {
  local directory homid i status=0
  directory=$(mktemp -d)
  XDG_RUNTIME_DIR=$directory "$build/homid" --model &
  homid=$!
  for ((i = 0; i < 300; i++)); do
    if HOMI_TENANT_SOCKET=$directory/homi/tenant.sock "$build/homi-perf" --ios 1; then break; fi
    sleep 0.1
  done
  HOMI_TENANT_SOCKET=$directory/homi/tenant.sock "$build/homi-perf" --queue-pairs 2 --threads 2 --runtime 2 \
    --rw randrw --destroy --latency || status=$?
  local model
  model=$(cat "/proc/$homid/task/$homid/children")
  kill "$homid"
  wait "$homid" || status=$?
  # shellcheck disable=SC2086 # a list of numbers
  kill $model
  for ((i = 0; i < 100; i++)); do
    # shellcheck disable=SC2086
    if ! kill -0 $model 2>/dev/null; then break; fi
    sleep 0.1
  done
  rm -rf "$directory"
  return "$status"
}

export CK_TIMEOUT_MULTIPLIER=10
for program in "$build"/unit/test_model_* "$build"/unit/test_homictl_model "$build"/unit/test_perf_*; do
  if [ -x "$program" ] && [[ $program != *.d ]]; then step "$(basename "$program")" "$program"; fi
done
step homi-perf perf
echo "tsan: $passed passed, $failed failed" | tee "$results/tsan"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
