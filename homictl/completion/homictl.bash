# bash completion for homictl: homictl itself says how the line may go on.  -*- shell-script -*-
# shellcheck shell=bash

_homictl() {
  local line begun=${COMP_WORDS[COMP_CWORD]} before
  COMPREPLY=()
  # ':' breaks words in bash, and names of functions hold it: the words are taken from the line instead.
  local -a words
  before=${COMP_LINE:0:COMP_POINT}
  read -r -a words <<<"$before"
  if [[ $before == *[[:space:]] ]]; then words+=(''); fi
  local whole=${words[-1]}
  while IFS=$'\t' read -r line _; do
    # Only what stands behind the last ':' is replaced.
    if [[ $whole == *:* && $COMP_WORDBREAKS == *:* ]]; then line=${line#"${whole%"${whole##*:}"}"}; fi
    COMPREPLY+=("$line")
  done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
  if [ ${#COMPREPLY[@]} -eq 0 ] && [[ ${words[-2]:-} == --socket || ${words[-2]:-} == --config ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$begun")
  fi
}
complete -F _homictl homictl
