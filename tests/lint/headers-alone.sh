#!/bin/bash
# Each header compiles with nothing before it. Usage: headers-alone.sh public|internal HEADER...
# Public headers are held to what a user's build may ask of them: C11 (pedantic too) and C++17, gcc and clang.
set -euo pipefail
kind=$1
shift
bad=0
strict=(-Wall -Wextra -Werror -Wshadow -Wundef -fsyntax-only -Ilib/include)

for header in "$@"; do
  if [ "$kind" = public ]; then
    for compiler in gcc clang; do
      for language in '-x c -std=c11 -Wpedantic' '-x c++ -std=c++17'; do
        # shellcheck disable=SC2086
        "$compiler" "${strict[@]}" $language - <<<"#include <${header#lib/include/}>" || bad=1
      done
    done
  else
    # shellcheck disable=SC2046
    clang "${strict[@]}" -std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags json-c libnvme) -x c - \
      <<<"#include \"$header\"" || bad=1
  fi
done
exit "$bad"
