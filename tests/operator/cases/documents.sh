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
