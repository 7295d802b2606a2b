# shellcheck shell=bash disable=SC2154,SC2034
# What the documents tell people to type.

# blocks FILE: the fenced blocks that are marked as tested.
blocks() { awk '/^```sh tested$/ { on = 1; next } /^```$/ { on = 0 } on' "$1"; }

case_the_tutorial_works_as_it_is_written() {
  blocks doc/tutorial.md >"$folder/commands"
  [ -s "$folder/commands" ]
  sed -i 's/ \&$/ >homid.log 2>\&1 \&/' "$folder/commands"
  local said
  said=$(cd "$folder" && unset HOMI_ADMIN_SOCKET HOMI_TENANT_SOCKET && PATH=$build:$PATH bash -eu ./commands 2>&1) || fail "$said"
  # The model outlives the homid that the commands end.
  local model
  for model in $(pgrep -f model-process); do
    if grep -qzxF "XDG_RUNTIME_DIR=$folder/try" "/proc/$model/environ" 2>/dev/null; then kill "$model"; fi
  done
  says '^ssd0 +ready' "$said"
  says '[0-9] IOPS|IOPS' "$said"
  says '^lease-[0-9]+ ' "$said"
  says 'homi_functions\{state="leased"\} 1' "$said"
}

# The configuration that it shows is one, once its serial number and users are this machine's.
case_the_tutorial_shows_a_configuration_that_homid_takes() {
  awk '/^```json$/ { on = 1; next } /^```$/ { on = 0 } on' doc/tutorial.md |
    sed "s/\"users\": \[\"[a-z]*\"\]/\"users\": [$(id -u)]/" >"$folder/homid.conf"
  [ -s "$folder/homid.conf" ]
  says 'is right' "$(homictl config check --config "$folder/homid.conf")"
}

# A scontrol that says what Slurm's does of a job with --gres=homi:2.
case_the_scripts_for_slurm_reserve_and_free() {
  start_homid
  mkdir "$folder/bin"
  # shellcheck disable=SC2016 # expanded there
  printf '#!/bin/sh\necho "JobId=$4 JobName=x TresPerNode=$GRES CpusPerTask=1"\n' >"$folder/bin/scontrol"
  chmod +x "$folder/bin/scontrol"
  local slurm=(env "PATH=$folder/bin:$build:$PATH" "HOMI_SLURM_LEASES=$folder/leases" SLURM_JOB_ID=7 SLURM_JOB_USER=blue)
  "${slurm[@]}" GRES=gres:homi:2 doc/slurm/prolog.sh
  equal 'leases of the job' 2 "$(homictl list leases --json | jq '.leases | length')"
  says '^export HOMI_LEASE=lease-2$' "$("${slurm[@]}" SLURM_LOCALID=3 doc/slurm/task-prolog.sh)"
  homictl vf free lease-1
  "${slurm[@]}" doc/slurm/epilog.sh
  equal 'leases after the job' 0 "$(homictl list leases --json | jq '.leases | length')"
  [ ! -e "$folder/leases/7" ]
  "${slurm[@]}" GRES=gres/gpu:1 doc/slurm/prolog.sh
  equal 'leases of a job that asked for none' 0 "$(homictl list leases --json | jq '.leases | length')"
  says 'cannot reserve' "$(status_of 1 "${slurm[@]}" GRES=gres/homi:64 doc/slurm/prolog.sh)"
  "${slurm[@]}" doc/slurm/epilog.sh
  equal 'leases after one that could not be' 0 "$(homictl list leases --json | jq '.leases | length')"
}
