#!/bin/bash
# Judges the packages that deb.sh built: lintian, what is in which, and the example program built from nothing but what
# libhomi-dev brings; the guest runs that program (tests/vm/cases/82-packages.sh). Usage: check.sh PACKAGES RESULTS
set -euo pipefail
packages=$1 results=$2
passed=0 failed=0

# check NAME COMMAND...: passes when the command does; what it printed is shown when it fails.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok    %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'FAIL  %s\n      %s\n' "$name" "${output//$'\n'/$'\n'      }"
    failed=$((failed + 1))
  fi
}

policy() {
  local said options=('--fail-on=error,warning')
  if [ "$(id -u)" -eq 0 ]; then options+=(--allow-root); fi
  said=$(lintian "${options[@]}" "$packages"/*.changes) || { echo "$said"; return 1; }
  [ -z "$said" ] || { echo "$said"; return 1; }
}

# Everything that `make install` puts somewhere is in exactly one package.
complete() {
  local stage=$packages/stage file bad=0 count
  rm -rf "$stage"
  make -s install-debian DESTDIR="$(realpath -m "$stage")" >/dev/null
  for file in "$packages"/*.deb; do dpkg-deb -c "$file"; done |
    sed -nE 's/^[-l].* \.\/(.*)/\1/p' | sed -E 's| -> .*||; s|\.gz$||' >"$packages/contents"
  while IFS= read -r file; do
    count=$(grep -cxF "$file" "$packages/contents" || true)
    if [ "$count" -ne 1 ]; then echo "$file is in $count packages"; bad=1; fi
  done < <(cd "$stage" && find . -type f -o -type l | sed 's|^\./||')
  rm -rf "$stage"
  return "$bad"
}

# With the headers, the library and the pkg-config file that the packages install, and the program that they show.
example() {
  local root=$packages/root
  rm -rf "$root"
  dpkg-deb -x "$packages"/libhomi0_*.deb "$root"
  dpkg-deb -x "$packages"/libhomi-dev_*.deb "$root"
  local folders
  folders=$(find "$root" -type d -name pkgconfig)
  # shellcheck disable=SC2046 # options are words
  cc -Wall -Werror -o "$packages/first-tenant" "$root"/usr/share/doc/libhomi-dev/examples/first-tenant.c \
    $(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$folders pkg-config --cflags --libs homi)
  rm -rf "$root"
  readelf -d "$packages/first-tenant" | grep -q 'NEEDED.*libhomi\.so\.0'
}

check 'lintian has nothing to say'               policy
check 'every file is in one package'             complete
check 'the example builds from the packages'     example

mkdir -p "$results"
echo "packages: $passed passed, $failed failed" | tee "$results/packages"
[ "$failed" -eq 0 ]
