#!/bin/bash
# Installs the Debian packages that building, checking and the test guest need; only what is missing. Needs root for that.
# On another distribution it names what is needed and stops. Usage: install-deps.sh
set -euo pipefail

build=(gcc make binutils pkg-config libnvme-dev libsystemd-dev libjson-c-dev libevent-dev)
check=(check g++ clang libclang-rt-14-dev clang-format shellcheck mandoc valgrind strace jq spin liburing-dev dpkg-dev debhelper lintian fakeroot zsh python3 socat)
guest=(qemu-system-x86 mmdebstrap debian-archive-keyring e2fsprogs cpio kmod gzip tar util-linux)

explain() {
  cat >&2 <<MESSAGE
HOMI builds and tests itself on Debian 12 and installs what it needs there. This machine runs ${PRETTY_NAME:-another system}.
Install the equivalents of these Debian packages, then use 'make' and 'make check-unit':
  to build:  ${build[*]}
  to check:  ${check[*]}
  the guest: ${guest[*]}
'make demo', 'make check' and 'make check-vm' also build a Debian guest image and so need apt with a Debian archive.
MESSAGE
  exit 1
}

# shellcheck disable=SC1091
if [ -r /etc/os-release ]; then . /etc/os-release; fi
if ! command -v apt-get >/dev/null || [ "${ID:-}" != debian ]; then explain; fi

missing=()
for package in "${build[@]}" "${check[@]}" "${guest[@]}"; do
  state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$state" = 'install ok installed' ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing: ${missing[*]}" >&2
  echo "Installing them needs root: run 'sudo make deps'." >&2
  exit 1
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" -qq update
"${apt[@]}" -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
