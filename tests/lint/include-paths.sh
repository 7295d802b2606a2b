#!/bin/bash
# Every quoted include names an existing file by its path from the root. Usage: include-paths.sh FILE...
set -euo pipefail
bad=0
while IFS=: read -r file line text; do
  path=$(sed -E 's/^[^"]*"([^"]*)".*/\1/' <<<"$text")
  [ -f "$path" ] || { echo "$file:$line: no file $path"; bad=1; }
done < <(grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' -- "$@" || true)
exit "$bad"
