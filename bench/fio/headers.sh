#!/bin/bash
# Fetches the sources of the fio that is installed and configures them, for the headers that an external engine is built
# with. The archives are the machine's own, their source entries put beside the binary ones in lists of this script's, so that
# the machine's apt configuration stays as it is. Usage: headers.sh DIRECTORY
set -euo pipefail
directory=$(realpath -m "$1")
here=$(dirname "$(realpath "$0")")
version=$(dpkg-query -W -f='${source:Version}' fio 2>/dev/null) ||
  { echo 'headers.sh: fio is not installed (package fio)' >&2; exit 1; }
command -v dpkg-source >/dev/null || { echo 'headers.sh: dpkg-source is missing (package dpkg-dev)' >&2; exit 1; }
[ "$(cat "$directory/version" 2>/dev/null)" != "$version" ] || exit 0
# shellcheck disable=SC1091
. /etc/os-release
rm -rf "$directory"
mkdir -p "$directory/lists/partial"
"$here/../../tests/vm/debian-sources.sh" "$VERSION_CODENAME" | sed 's/^deb /deb-src /' >"$directory/sources.list"
apt=(apt-get -qq -o "Dir::Etc::SourceList=$directory/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$directory/lists"
  -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o APT::Sandbox::User=root)
cd "$directory"
"${apt[@]}" update
"${apt[@]}" source "fio=$version"
mv fio-*/ source
cd source
./configure >/dev/null
echo "$version" >"$directory/version"
