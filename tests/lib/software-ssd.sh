# shellcheck shell=bash
# shellcheck disable=SC2154 # build is the sourcing script's
# Sourced: homid with the software SSD in a folder of its own, until the script ends. Wants the folder of the build in $build;
# gives $work, and HOMI_TENANT_SOCKET in the environment.
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work HOMI_TENANT_SOCKET=$work/homi/tenant.sock
"$build/homid" --model >"$work/homid" 2>&1 &
homid=$!

# The model outlives homid, so it is told as well.
stop_software_ssd() {
  local model
  model=$(pgrep -P "$homid" -f model-process || true)
  kill "$homid"
  wait "$homid" || true
  [ -z "$model" ] || kill "$model"
  rm -rf "$work"
}
trap stop_software_ssd EXIT
for _ in {1..100}; do
  [ ! -S "$HOMI_TENANT_SOCKET" ] || break
  sleep 0.1
done
