#!/bin/bash
# Checks the house rules that a compiler does not. Usage: run.sh [RESULTS]. No root, no network, changes nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/lint
results=${1:-build/results}
passed=0 failed=0

# shellcheck source=tests/lint/files.sh
source "$here/files.sh"

# check NAME COMMAND...: passes when the command does; what it printed is shown when it fails.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok    %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'FAIL  %s\n' "$name"
    printf '      %s\n' "${output//$'\n'/$'\n'      }"
    failed=$((failed + 1))
  fi
}

# none WHAT PATTERN FILE...: no line of the files matches the extended regular expression.
none() {
  local what=$1 pattern=$2
  shift 2
  [ $# -gt 0 ] || return 0
  if grep -nHE -e "$pattern" -- "$@"; then
    echo "$what"
    return 1
  fi
}

formatted() {
  clang-format --version | grep -q 'version 14\.' || echo 'clang-format 14 is what .clang-format is written for'
  clang-format --dry-run -Werror "${c_files[@]}" "${headers[@]}"
}

licensed() {
  local file bad=0
  for file in "${c_files[@]}" "${headers[@]}"; do
    [ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: BSD-3-Clause */' ] || { echo "$file"; bad=1; }
  done
  return "$bad"
}

# fio's engine and the program for uPCIe need headers that the machine need not have; `make fio-engine` and
# `make check-upcie` build them.
compiled_by_clang() {
  local file files=()
  for file in "${c_files[@]}"; do
    [[ $file = bench/fio/engine.c || $file = tests/bridges/upcie.c ]] || files+=("$file")
  done
  "$here/clang.sh" "${files[@]}"
}

file_sizes() {
  local file lines bad=0
  for file in "${c_files[@]}" "${headers[@]}" "${scripts[@]}" "${makefiles[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || { echo "$file: $lines lines, at most 800"; bad=1; }
  done
  return "$bad"
}

manual_pages() {
  [ "${#manuals[@]}" -gt 0 ] || return 0
  mandoc -Tlint -W warning "${manuals[@]}"
}

check 'formatted as .clang-format says'            formatted
check 'licence in the first line'                  licensed
check 'includes point one way'                     awk -f "$here/includes.awk" "${c_files[@]}" "${headers[@]}"
check 'includes are written from the root'         "$here/include-paths.sh" "${c_files[@]}" "${headers[@]}"
check 'header guards named after the path'         "$here/guards.sh" "${headers[@]}"
check 'public headers alone: gcc, clang, C, C++'   "$here/headers-alone.sh" public "${public_headers[@]}"
check 'internal headers alone'                     "$here/headers-alone.sh" internal "${internal_headers[@]}"
check 'no warnings from clang'                     compiled_by_clang
check 'files of at most 800 lines'                 file_sizes
check 'functions of at most 60 lines'              awk -f "$here/functions.awk" "${c_files[@]}" "${headers[@]}" "${scripts[@]}"
check 'shell scripts'                              shellcheck -x "${scripts[@]}"
check 'manual pages'                               manual_pages
check 'the manual leaves nothing out'              "$here/manual-complete.sh"
check 'the manual shows the example as it is'      "$here/manual-example.sh"
check 'systemd units'                              "$here/units.sh"
check 'events have ids and catalog entries'        "$here/catalog.sh"
check 'nothing left to be done' \
  none 'finish it, or open an issue' '\<(TOD[O]|FIXM[E]|XX[X]|HAC[K])\>' "${texts[@]}"
check 'no addresses in scripts and makefiles' \
  none 'the machine knows where its packages come from' 'http[s]?:/[/]' "${scripts[@]}" "${makefiles[@]}"

mkdir -p "$results"
echo "lint: $passed passed, $failed failed" | tee "$results/lint"
[ "$failed" -eq 0 ]
