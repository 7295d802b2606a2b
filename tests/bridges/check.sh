#!/bin/bash
# Runs uPCIe's queue pair on a lease of the software SSD, by <homi/upcie.h>. Usage: check.sh RESULTS BUILD
set -euo pipefail
results=$1 build=$(realpath "$2")
passed=0 failed=0
. tests/lib/software-ssd.sh
if "$build/bridges/upcie"; then passed=1; else failed=1; fi
mkdir -p "$results"
echo "upcie: $passed passed, $failed failed" | tee "$results/upcie"
[ "$failed" -eq 0 ]
