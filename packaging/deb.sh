#!/bin/bash
# Builds the Debian packages from the files of the tree, as git knows them, in a folder of their own, where what dpkg and
# debhelper write disturbs nobody. Needs no root. Usage: deb.sh OUTPUT [nocheck]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lint/files.sh
source tests/lint/files.sh
output=$1
version=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)
declared=$(sed -n 's/^VERSION *:= *//p' Makefile)
if [ "$version" != "$declared" ]; then
  echo "deb.sh: the packages are of version $version, and the Makefile says $declared" >&2
  exit 1
fi

rm -rf "$output"
mkdir -p "$output/homi-$version"
tree_files | while IFS= read -r file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
  tar --null -T - -cf - | tar -C "$output/homi-$version" -xf -
cd "$output/homi-$version"
cp -r packaging/debian debian
if ! DEB_BUILD_OPTIONS="${2:-} parallel=$(nproc) ${DEB_BUILD_OPTIONS:-}" dpkg-buildpackage -b -us -uc >../build.log 2>&1; then
  tail -n 40 ../build.log >&2
  exit 1
fi
cd ..
rm -rf "homi-$version"
ls ./*.deb
