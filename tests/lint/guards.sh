#!/bin/bash
# A header's guard is its path: daemon/core/core.h has HOMI_DAEMON_CORE_CORE_H. Usage: guards.sh HEADER...
set -euo pipefail
bad=0
for header in "$@"; do
  path=${header#lib/include/homi/}
  guard=$(tr 'a-z/.-' 'A-Z___' <<<"HOMI_$path")
  if ! grep -qx "#ifndef $guard" "$header" || ! grep -qx "#define $guard" "$header"; then
    echo "$header: expected the guard $guard"
    bad=1
  fi
done
exit "$bad"
