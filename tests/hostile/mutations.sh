#!/bin/bash
# Shows that each attack gets somewhere when the defence that it tests is switched off: in a copy of the tree, which no release
# is made from. Usage: mutations.sh RESULTS [ATTACK-PREFIX]…   (from the top of the tree)
set -uo pipefail
results=$1 prefixes=("${@:2}")
copy=build/mutants
make=(make -s -C "$copy" -j"$(nproc)" BUILD=build OPT='-O1 -g' CFLAGS=-Wno-error)
passed=0 failed=0
mkdir -p "$copy" "$results"
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$copy" || exit 1
"${make[@]}" all tenants >"$copy/log" 2>&1 || { tail -n 20 "$copy/log"; exit 1; }

# try ATTACK: with all its lines applied; sets why.
try() {
  local attack=$1 file substitution
  while read -r _ file substitution; do
    perl -0pi -e "$substitution" "$copy/$file"
    if cmp -s "$file" "$copy/$file"; then why="nothing in $file matches"; return 1; fi
  done < <(grep "^$attack " tests/hostile/mutations.txt)
  if ! "${make[@]}" all tenants >"$copy/log" 2>&1; then
    why="does not build: $(grep -m 1 error: "$copy/log")"
    return 1
  fi
  # Some attacks are races.
  for _ in 1 2 3; do
    (cd "$copy" && timeout 120 tests/hostile/run.sh build/results build --only "$attack" --patience 10 >log 2>&1)
    why=$(sed -n "s/^not ok $attack .*ms: //p" "$copy/log")
    if [ -n "$why" ]; then break; fi
  done
  if [ -z "$why" ]; then why='the attack still gets nowhere'; return 1; fi
  [ "$why" != 'it could not be made' ]
}

# The copy as the tree is, again; its time is new, so that it is built again.
restore() {
  local file
  while read -r file; do
    if ! cmp -s "$file" "$copy/$file"; then cp "$file" "$copy/$file"; fi
  done < <(awk '!/^(#|$)/ { print $2 }' tests/hostile/mutations.txt | sort -u)
}

is_wanted() {
  local prefix
  for prefix in "${prefixes[@]:-}"; do
    if [[ $1 == "$prefix"* ]]; then return; fi
  done
  return 1
}

for attack in $(awk '!/^(#|$)/ { print $1 }' tests/hostile/mutations.txt | uniq); do
  is_wanted "$attack" || continue
  if try "$attack"; then
    passed=$((passed + 1)) verdict='ok    '
  else
    failed=$((failed + 1)) verdict='not ok'
  fi
  printf '%s %-30s %s\n' "$verdict" "$attack" "$why"
  restore
done
echo "hostile-mutations: $passed passed, $failed failed" | tee "$results/hostile-mutations"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
