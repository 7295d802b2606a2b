#!/bin/bash
# Slurm's TaskProlog, as the job's user: what it prints becomes the environment of the task. A program that uses libhomi
# attaches to the lease named; one of several is the task's own, by its number on the node.
set -euo pipefail
file=${HOMI_SLURM_LEASES:-/run/homi-slurm}/$SLURM_JOB_ID
[ -s "$file" ] || exit 0
mapfile -t leases <"$file"
echo "export HOMI_LEASE=${leases[${SLURM_LOCALID:-0} % ${#leases[@]}]}"
echo "export HOMI_LEASES=$(IFS=,; echo "${leases[*]}")"
