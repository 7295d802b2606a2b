#!/bin/bash
# Runs fio with the engine against the software SSD: data that is verified, every kind of command, and what is refused.
# Usage: check.sh RESULTS BUILD
set -euo pipefail
results=$1 build=$(realpath "$2")
command -v fio >/dev/null || { echo 'check.sh: fio is missing (package fio)' >&2; exit 1; }
passed=0 failed=0
. tests/lib/software-ssd.sh

# In the scratch folder, where fio leaves its state of a verification.
load() { (cd "$work" && fio --name=load --verify_state_save=0 "--ioengine=external:$build/fio-homi.so" --filename=homi --output-format=json --output="$work/out" "$@" >"$work/err" 2>&1); }
verdict() {
  if "${@:2}"; then
    echo "ok   $1"
    passed=$((passed + 1))
  else
    echo "FAIL $1"
    cat "$work/err" "$work/out" | head -n 20
    failed=$((failed + 1))
  fi
}
runs() { load "$@"; }
# refuses TEXT OPTION…: fio fails, and says so.
refuses() {
  local text=$1
  shift
  ! load "$@" && grep -qh -- "$text" "$work/err" "$work/out"
}
# counts FILTER OPTION…: fio succeeds, and the filter on its result is true.
counts() {
  local filter=$1
  shift
  load "$@" && sed -n '/^{/,$p' "$work/out" | jq -e "$filter" >/dev/null
}

verdict 'written data is found again' counts '.jobs[0] | .error == 0 and .read.total_ios >= 1024 and .write.total_ios > 0' \
  --rw=randrw --verify=crc32c --size=4m --bs=4k --iodepth=16
verdict 'large blocks and misaligned buffers' runs --rw=write --verify=crc32c --size=8m --bs=64k --iodepth=8 --iomem_align=512
verdict 'trim' counts '.jobs[0] | .error == 0 and .trim.total_ios == 128 and .write.total_ios == 128' \
  --rw=trimwrite --size=512k --bs=4k --iodepth=4
verdict 'fsync' counts '.jobs[0] | .error == 0 and .write.total_ios == 128 and .sync.total_ios > 0' \
  --rw=randwrite --size=512k --bs=4k --iodepth=4 --fsync=8
verdict 'two jobs, a queue pair each' counts '[.jobs[].read.total_ios] == [256, 256]' --rw=randread --size=1m --bs=4k --iodepth=4 --numjobs=2 --thread
verdict 'a block size that is none' refuses 'no multiple of the namespace' --rw=read --size=1m --bs=1000
verdict 'a depth beyond the queues' refuses 'iodepth is more than' --rw=read --size=1m --bs=4k --iodepth=70000
verdict 'a namespace that is not there' refuses 'does not have the namespace' --rw=read --size=1m --bs=4k --namespace=99
verdict 'a tenant that is not there' refuses 'refused: io.homi' --rw=read --size=1m --bs=4k --tenant=nobody-here
verdict 'a socket that is not there' refuses 'connecting to homid' --rw=read --size=1m --bs=4k --socket="$work/none"

mkdir -p "$results"
echo "fio: $passed passed, $failed failed" | tee "$results/fio"
[ "$failed" -eq 0 ]
