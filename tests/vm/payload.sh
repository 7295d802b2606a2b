#!/bin/bash
# Writes the payload disk: what the guest gets beside its image, as a tar of HOMI's programs (as `make install` puts them),
# the test tenants, the cases and the runner. Usage: payload.sh OUTPUT PLAN MARK CASE-FOLDER [bare] [FILE:GUEST-PATH]…
# `bare` leaves HOMI's programs out; each FILE is added under its path in the guest.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
output=$1 plan=$2 mark=$3 cases=$4
shift 4
stage=$output.stage
tests=$stage/usr/lib/homi-tests
rm -rf "$stage"
mkdir -p "$tests"/{guest,cases,tenants,examples,tools} "$stage/etc/systemd/system/multi-user.target.wants"

if [ "${1:-}" = bare ]; then
  shift
else
  make -s -j"$(nproc)" -C "$top" all tenants tools >&2
  make -s -C "$top" install DESTDIR="$stage" PREFIX=/usr SYSCONFDIR=/etc >&2
  for kind in tenants examples tools; do
    find "$top/build/$kind" -maxdepth 1 -type f -perm -u+x -exec cp -t "$tests/$kind" {} + 2>/dev/null || true
  done
fi
# What was installed, for the case that puts the packages in its place.
(cd "$stage" && find usr -type f -o -type l) | grep -v homi-tests >"$tests/installed" || true
# The packages travel only to a guest that asks for them.
while read -r name _; do
  if grep -q '^# packages: yes' "$cases/$name.sh"; then
    make -s -C "$top" deb >&2
    if [ ! -x "$top/build/deb/first-tenant" ]; then make -s -C "$top" check-packages >&2; fi
    install -D -m 644 -t "$tests/packages" "$top"/build/deb/*.deb
    rm -f "$tests"/packages/*dbgsym*
    install -m 755 "$top/build/deb/first-tenant" "$tests/packages/"
  fi
done <"$plan"
for extra; do install -D -m 755 "${extra%%:*}" "$stage/${extra#*:}"; done

install -m 755 "$here"/guest/*.sh "$tests/guest/"
install -m 644 "$here/guest/homi-runner.service" "$stage/etc/systemd/system/"
ln -s ../homi-runner.service "$stage/etc/systemd/system/multi-user.target.wants/"
cp "$cases"/* "$tests/cases/"
cp "$plan" "$tests/plan"
echo "$mark" >"$tests/mark"
(cd "$stage" && tar --owner=0 --group=0 --numeric-owner -cf "$output" -- *)
truncate -s %4096 "$output"
rm -rf "$stage"
