#!/bin/bash
# Slurm's Epilog on a compute node, as root: frees what prolog.sh reserved for the job, also from processes that it left.
set -euo pipefail
export PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin
file=${HOMI_SLURM_LEASES:-/run/homi-slurm}/$SLURM_JOB_ID
[ -e "$file" ] || exit 0
failed=0
while read -r lease; do
  said=$(timeout 60 homictl vf free --force "$lease" 2>&1) && continue
  # One that is gone already, as homid was stopped meanwhile, is as good as freed.
  grep -q 'there is no lease' <<<"$said" || { echo "$said" >&2; failed=1; }
done <"$file"
[ "$failed" -ne 0 ] || rm -f "$file"
exit "$failed"
