# shellcheck shell=bash disable=SC2034
# The files of the tree by kind, for run.sh to source: what git tracks or would track, else what lies there.

tree_files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -co --exclude-standard
  else
    find . -path ./build -prune -o -path ./.git -prune -o -type f -print | sed 's|^\./||'
  fi | sort -u
}

c_files=() headers=() public_headers=() internal_headers=() scripts=() makefiles=() manuals=() texts=()
while IFS= read -r file; do
  [ -f "$file" ] || continue
  case $file in
  *.c) c_files+=("$file") ;;
  lib/include/homi/*.h) headers+=("$file") public_headers+=("$file") ;;
  *.h) headers+=("$file") internal_headers+=("$file") ;;
  Makefile | *.mk) makefiles+=("$file") ;;
  man/*.[1-9]) manuals+=("$file") ;;
  *.sh) scripts+=("$file") ;;
  *.*) ;;
  *) if head -n 1 "$file" | grep -qaE '^#!.*\<(ba)?sh\>'; then scripts+=("$file"); fi ;;
  esac
  if grep -qI . "$file"; then texts+=("$file"); fi
done < <(tree_files)
