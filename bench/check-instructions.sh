#!/bin/bash
# Runs the instruction counts and leaves their line for `make check`. Usage: check-instructions.sh RESULTS PROGRAM RECORD
set -euo pipefail
results=$1 program=$2 record=$3
status=0
output=$("$program" "$record") || status=$?
printf '%s\n' "$output"
tail -n 1 <<<"$output" >"$results/instructions"
exit "$status"
