#!/bin/bash
# A container gets a lease by what homid describes to engines: its user is nobody's, so that the tenants' socket refuses it, and
# through the lease's own it drives its queues with the library that was mounted; homid may be killed meanwhile. fio, which
# knows nothing of homid, on a kernel lease.
# timeout: 180
write_config
sed -i "s|^{|{ \"containerLibrary\": \"$(readlink -f /usr/lib/libhomi.so.0)\",|" /etc/homi/homid.conf
allow_lending
start_homid
wait_for 30 all_vfs_ready || fail 'the VFs are not ready'
container() { "$HOMI_TESTS/guest/container.sh" "$@"; }
said() { grep -q -- "$1" /tmp/inside || { cat /tmp/inside; fail "nothing like '$1' was said inside"; }; }

read -r lease vf socket device < <(homictl vf alloc --tenant blue --device ssd0 --namespace 2 --container)
note "$device: $vf, $socket"
equal 'the folder of the sockets' '700 homi' "$(stat -c '%a %U' "$(dirname "$socket")")"
refused as_user blue test -e "$socket" >/dev/null
# Beside what homid describes, the socket for everybody, to be refused there.
jq '.devices[0].containerEdits.mounts += [{ hostPath: "/run/homi/tenant.sock", containerPath: "/run/everybody", options: ["rw"] }]' \
  "/run/cdi/homi-$lease.json" >/tmp/specification
jq -c '.devices[0].containerEdits' /tmp/specification
# shellcheck disable=SC2016 # expanded inside
container /tmp/specification bash -c '
  echo "who $(id -u) $(awk "{ print \$2 + 7 }" /proc/self/uid_map)"
  env LD_LIBRARY_PATH="$HOMI_LIBRARY" tenant-verify --namespace 2 --mode write-verify --length 4194304 --json
  tenant-verify --lease lease-999 --namespace 2 --mode none 2>&1
  tenant-verify --tenant green --namespace 2 --mode none 2>&1
  HOMI_TENANT_SOCKET=/run/everybody tenant-verify --tenant blue --namespace 2 --mode none 2>&1
  exit 0' >/tmp/inside
said '^who 7 100007$'
grep '^{' /tmp/inside >/tmp/inside.json
sound /tmp/inside.json
said 'LeaseOnly.*lease: '"$lease"
said 'TenantNotPermitted.*tenant: green'
said 'TenantNotPermitted.*tenant: blue'

# homid ends under it, and neither its I/O nor the socket that is mounted notices.
container "/run/cdi/homi-$lease.json" bash -c '
  tenant-verify --namespace 2 --mode mixed --seconds 6 --length 4194304 --json &&
  tenant-verify --namespace 2 --mode verify --length 4194304 --json' >/tmp/going & going=$!
wait_for 30 queues_are 1 || fail 'the tenant did not start'
kill -KILL "$(homid_pid)"
wait "$going" || { cat /tmp/going; fail 'inside it was noticed that homid was killed'; }
grep -m 1 '^{' /tmp/going >/tmp/going.json
sound /tmp/going.json
homictl vf free "$lease"
[ ! -e "$socket" ] || fail 'the socket outlived its lease'
wait_for 20 nothing_held || fail 'the container left something behind'

# fio needs nothing but the block device; what it wrote is verified by its own checksums.
read -r lease _ node _ device < <(homictl vf alloc --tenant green --device ssd0 --namespace 3 --kernel --container)
as_user green fio --name=lease --filename="$node" --rw=randwrite --bs=4k --size=4m --iodepth=4 --ioengine=psync \
  --verify=crc32c --do_verify=1 --verify_fatal=1 --output-format=json --output=/tmp/fio.json
equal 'errors of fio' 0 "$(jq '[.jobs[].error] | add' /tmp/fio.json)"
equal 'KiB that fio verified' 4096 "$(jq '[.jobs[].read.io_kbytes] | add' /tmp/fio.json)"
container "/run/cdi/homi-$lease.json" test -b "$node" || fail 'the container has no block device'
refused as_user blue dd if="$node" of=/dev/null bs=4096 count=1 status=none >/dev/null
homictl vf free "$lease"
wait_for 20 nothing_held || fail 'something is still held'
equal 'IOMMU faults' 0 "$(kernel_log 'DMAR:.*fault')"
