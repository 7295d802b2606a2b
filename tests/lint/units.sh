#!/bin/bash
# systemd accepts the units without a word, and rates homid's exposure at most 1.5. The programs need not be installed: their
# paths are replaced.
set -euo pipefail
cd "$(dirname "$0")/../.."
shopt -s nullglob
units=(systemd/*.service systemd/*.socket systemd/*.service.in systemd/*.socket.in systemd/*.target)
[ "${#units[@]}" -gt 0 ] || { echo 'no units in systemd/'; exit 1; }
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
names=()
for unit in "${units[@]}"; do
  name=$(basename "${unit%.in}")
  sed -E 's/@[A-Z]+@/\/usr/g; s/^(Exec[A-Za-z]+=[-+!@:]*)[^ ]+/\1\/bin\/true/' "$unit" >"$copies/$name"
  names+=("$copies/$name")
done
said=$(systemd-analyze verify --man=no "${names[@]}" 2>&1 | grep -F -e "$copies" -e homid || true)
[ -z "$said" ] || { echo "${said//$copies\//}"; exit 1; }

# In tenths.
if ! systemd-analyze security --offline=true --threshold=15 --no-pager "$copies/homid.service" >"$copies/rated" 2>&1; then
  grep -E '^✗|Overall' "$copies/rated" || cat "$copies/rated"
  exit 1
fi
