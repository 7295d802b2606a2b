#!/bin/bash
# Has clang look at every source with the warnings that the Makefile gives gcc. Usage: clang.sh FILE...
set -euo pipefail
read -ra warnings < <(make -pnr help 2>/dev/null | sed -n 's/^WARN := //p')
[ "${#warnings[@]}" -gt 0 ] || { echo 'the Makefile has no WARN'; exit 1; }
read -ra packages < <(pkg-config --cflags libnvme libsystemd json-c libevent_core check)
printf '%s\0' "$@" | xargs -0 -n 4 -P 2 clang -fsyntax-only -std=c11 "${warnings[@]}" \
  -D_GNU_SOURCE '-DHOMI_VERSION="lint"' -I. -Ilib/include "${packages[@]+"${packages[@]}"}"
