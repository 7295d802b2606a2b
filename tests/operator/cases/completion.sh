# shellcheck shell=bash disable=SC2154,SC2034
# Completion: what homictl offers, and that bash and zsh pass it on.

offered() { homictl complete -- "$@" | cut -f1 | xargs; }

case_completion_offers_commands_options_and_names() {
  start_homid
  local lease vf
  read -r lease vf <<<"$(homictl vf alloc --tenant blue)"
  says '(^| )status( |$)' "$(offered '')"
  equal 'hidden commands' '' "$(offered compl)"
  equal 'commands of vf' 'alloc free' "$(offered vf '')"
  equal 'what begins with v' vf "$(offered v)"
  equal 'listings' 'tenants' "$(offered list t)"
  equal 'leases' "$lease" "$(offered vf free '')"
  equal 'leases behind an option' "$lease" "$(offered --color never vf free --force '')"
  equal 'tenants' 'blue green' "$(offered vf alloc --tenant '')"
  equal 'devices' 'ssd0' "$(offered vf alloc --tenant blue --device '')"
  equal 'a device, then a function' "$vf" "$(offered retry ssd0 "$vf")"
  equal 'anything that can be shown' 'ssd0 ssd0:1 ssd0:2 ssd0:3' "$(offered show ssd0)"
  equal 'options of a command' '--force' "$(offered vf free --fo)"
  equal 'forms' 'table wide json' "$(offered list devices -o '')"
  stop_homid
  equal 'names without homid' '' "$(offered vf free '')"
}

in_bash() {
  PATH=$build:$PATH bash -c 'source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; read -r -a COMP_WORDS <<<"$2"
    case $2 in *" ") COMP_WORDS+=("") ;; esac
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _homictl; printf "%s\n" "${COMPREPLY[@]}"' - homictl/completion/homictl.bash "$1" | xargs
}

case_bash_passes_them_on() {
  start_homid
  homictl vf alloc --tenant blue >/dev/null
  equal 'bash: commands' 'alloc free' "$(in_bash 'homictl vf ')"
  equal 'bash: leases' 'lease-1' "$(in_bash 'homictl vf free le')"
  # Behind the ':' that bash breaks words at.
  equal 'bash: namespaces' '1 2 3' "$(in_bash 'homictl show ssd0:')"
  equal 'bash: files' 'CHANGELOG.md' "$(in_bash 'homictl --socket CHANGE')"
}

in_zsh() {
  # shellcheck disable=SC2016 # expanded by zsh
  PATH=$build:$PATH zsh -fc '_describe() { print -rl -- $offers }
    run() { source homictl/completion/_homictl }; words=("${@}"); CURRENT=$#words; run' - "$@"
}

case_zsh_passes_them_on() {
  start_homid
  homictl vf alloc --tenant blue >/dev/null
  equal 'zsh: leases' 'lease-1:blue' "$(in_zsh homictl vf free '' | xargs)"
  says '^status:Show homid' "$(in_zsh homictl '')"
  says '^ssd0.:1' "$(in_zsh homictl show ssd0)"
}
