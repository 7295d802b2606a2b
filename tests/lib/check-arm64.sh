#!/bin/bash
# The data path on arm64: its unit tests, compiled for it and run under emulation, and the rest of libhomi, compiled. The libraries
# come from the machine's own archives into the folder of the build. Usage: check-arm64.sh RESULTS BUILD (from the top of the tree)
set -euo pipefail
results=$1 build=$2/arm64 passed=0 failed=0
root=$build/root
for tool in aarch64-linux-gnu-gcc qemu-aarch64 mmdebstrap; do
  command -v "$tool" >/dev/null || { echo "check-arm64.sh: $tool is missing (packages gcc-aarch64-linux-gnu, qemu-user, mmdebstrap)" >&2; exit 1; }
done
mkdir -p "$build"
if [ ! -e "$root/complete" ]; then
  rm -rf "$root"
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  tests/vm/debian-sources.sh "$suite" >"$build/sources.list"
  mmdebstrap --quiet --variant=extract --architectures=arm64 --format=directory \
    --include=check,libc6-dev,libjson-c-dev,libsubunit-dev "$suite" "$root" - <"$build/sources.list"
  touch "$root/complete"
fi
libraries=$root/usr/lib/aarch64-linux-gnu

# compile OUTPUT ARGUMENT...
compile() {
  aarch64-linux-gnu-gcc --sysroot="$root" -isystem "$root/usr/include" -isystem "$root/usr/include/aarch64-linux-gnu" \
    -B "$libraries" -L "$libraries" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I. -Ilib/include -o "$@"
}
verdict() {
  if "${@:2}" >"$build/output" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-28s %s\n' "$1" "$(tail -n 1 "$build/output")"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$1"
    cat "$build/output"
  fi
}
runs() {
  compile "$build/$1" "tests/unit/$1.c" tests/unit/inline_device.c lib/prp.c -lcheck -lsubunit -lrt -lm -lpthread
  qemu-aarch64 -L "$root" "$build/$1"
}
library() {
  local file
  for file in lib/*.c; do compile "$build/$(basename "$file").o" -fPIC -c "$file"; done
}

verdict 'queues' runs test_queue
verdict 'data pointers' runs test_prp
verdict 'libhomi compiles' library
mkdir -p "$results"
echo "arm64: $passed passed, $failed failed" | tee "$results/arm64"
[ "$failed" -eq 0 ]
