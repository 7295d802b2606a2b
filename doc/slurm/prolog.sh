#!/bin/bash
# Slurm's Prolog on a compute node, as root: reserves for a job the virtual functions that its --gres=homi:N asked for, for
# the tenant that is called like the job's user. A failure drains the node and requeues the job, as Slurm does. epilog.sh ends it.
set -euo pipefail
# slurmd gives no search path.
export PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin
leases=${HOMI_SLURM_LEASES:-/run/homi-slurm}

# The count is in the job's description alone: generic resources without a plugin of their own are in no variable.
job=$(timeout 20 scontrol show job --oneliner "$SLURM_JOB_ID")
asked=$(grep -oE 'TresPerNode=[^ ]*' <<<"$job" | grep -oE 'gres[:/]homi(:[0-9]+)?' || true)
[ -n "$asked" ] || exit 0
count=${asked##*homi}
count=${count#:}

umask 022
mkdir -p "$leases"
: >"$leases/$SLURM_JOB_ID"
for ((i = 0; i < ${count:-1}; i++)); do
  # Each is noted at once, so that the epilog frees what was made when one of them cannot be.
  homictl vf alloc --tenant "$SLURM_JOB_USER" | cut -d ' ' -f 1 >>"$leases/$SLURM_JOB_ID"
done
