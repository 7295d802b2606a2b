#!/bin/bash
# `make demo`: three I/O paths at once on one emulated SR-IOV SSD, from the source tree to the table. Each step is shown
# with the time that has passed. Usage: demo.sh [SECONDS]  (of the load; 15)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
seconds=${1:-15}

step() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

step 'packages'
"$top/tests/lib/install-deps.sh"
step 'build'
make -s -C "$top" all tenants
step 'guest image'
"$here/image.sh" >/dev/null
step 'boot: QEMU with one SR-IOV NVMe SSD (PF + 4 VFs, three namespaces) behind an IOMMU'
status=0
"$here/run.sh" --quiet --machine namespaces=3 --timeout 150 \
  --exec "bash /usr/lib/homi-tests/guest/demo.sh $seconds" |
  while IFS= read -r line; do
    if [[ $line == '== '* ]]; then step "${line#== }"; else printf '        %s\n' "$line"; fi
  done || status=$?
if [ -n "${SUDO_UID:-}" ]; then chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$top/build"; fi
exit "$status"
