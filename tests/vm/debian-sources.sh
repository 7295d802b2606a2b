#!/bin/bash
# Prints apt source lines of a Debian suite, derived from the machine's own apt sources: the same archives and keys, the
# suite's name put in place of the machine's. Reads both formats of sources. Usage: debian-sources.sh SUITE
set -euo pipefail
suite=$1
# shellcheck disable=SC1091
. /etc/os-release
shopt -s nullglob
lists=(/etc/apt/sources.lis[t] /etc/apt/sources.list.d/*.list)
deb822=(/etc/apt/sources.list.d/*.sources)

# The awk programs read /dev/null as well, so that no list at all is an empty answer and not a wait for standard input.
one_line_sources() {
  awk '$1 == "deb" {
    key = ""; first = 2
    if ($2 ~ /^\[/) {
      while (first <= NF && $first !~ /\]$/) first++
      first++
      if (match($0, /signed-by=[^] ]+/)) key = substr($0, RSTART + 10, RLENGTH - 10)
    }
    print $first, $(first + 1), key
  }' "${lists[@]}" /dev/null
}

deb822_sources() {
  awk '
    function emit(  i, j, nu, ns, u, s) {
      nu = split(uris, u, " "); ns = split(suites, s, " ")
      if (types ~ /(^| )deb( |$)/ && enabled !~ /^no/)
        for (i = 1; i <= nu; i++) for (j = 1; j <= ns; j++) print u[i], s[j], key
      types = uris = suites = key = enabled = field = ""
    }
    FNR == 1 { emit() }
    /^#/ { next }
    /^[[:space:]]*$/ { emit(); next }
    /^[^[:space:]]/ { field = tolower($1); $1 = "" }
    { sub(/^[[:space:]]+/, "") }
    field == "types:" { types = types " " $0 }
    field == "uris:" { uris = uris " " $0 }
    field == "suites:" { suites = suites " " $0 }
    field == "enabled:" { enabled = $0 }
    field == "signed-by:" && /^\// { key = $1 }
    END { emit() }' "${deb822[@]}" /dev/null
}

lines=$({ one_line_sources; deb822_sources; } | awk -v suite="$suite" -v own="${VERSION_CODENAME:-stable}" '
  $1 !~ /^cdrom:/ {
    base = $2; tail = ""
    if (match(base, /[-\/](updates|security)$/)) { tail = substr(base, RSTART); base = substr(base, 1, RSTART - 1) }
    if (base != own && base !~ /^(old)?stable$/) next
    print "deb " ($3 == "" ? "" : "[signed-by=" $3 "] ") $1 " " suite tail " main"
  }' | sort -u)
if [ -z "$lines" ]; then
  echo "No Debian archive for ${VERSION_CODENAME:-this release} found in /etc/apt/sources.list or sources.list.d." >&2
  exit 1
fi
printf '%s\n' "$lines"
