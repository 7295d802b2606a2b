#!/bin/bash
# libhomi(3) carries man/examples/first-tenant.c word for word, between two comments, and the example compiles against
# the public headers alone. Usage: manual-example.sh [--write]; --write puts the file into the page.
set -euo pipefail
cd "$(dirname "$0")/../.."
page=man/libhomi.3
example=man/examples/first-tenant.c
begin='.\" first-tenant.c begins' end='.\" first-tenant.c ends'

# roff reads a backslash, and a dot or an apostrophe at the start of a line: written so that it prints them.
as_roff() { sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/" "$1"; }

if [ "${1:-}" = --write ]; then
  { sed "/^${begin//\\/\\\\}\$/q" "$page"
   as_roff "$example"
   sed -n "/^${end//\\/\\\\}\$/,\$p" "$page"; } >"$page.new"
  mv "$page.new" "$page"
fi
[ -f "$page" ] || { echo "$page is missing"; exit 1; }
[ -f "$example" ] || { echo "$example is missing"; exit 1; }
shown=$(awk -v begin="${begin//\\/\\\\}" -v end="${end//\\/\\\\}" '$0 == end { on = 0 } on; $0 == begin { on = 1 }' "$page")
if ! diff <(printf '%s\n' "$shown") <(as_roff "$example"); then
  echo "$page differs from $example: tests/lint/manual-example.sh --write mends it"
  exit 1
fi
gcc -std=c11 -Wall -Wextra -Werror -Wpedantic -fsyntax-only -Ilib/include "$example"
