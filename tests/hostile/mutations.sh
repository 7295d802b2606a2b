#!/bin/bash
# Shows that each attack gets somewhere when the defence that it tests is switched off: in a copy of the tree, which no release
# is made from. Usage: mutations.sh RESULTS [ATTACK-PREFIX]   (from the top of the tree)
set -uo pipefail
results=$1 prefix=${2:-}
copy=build/mutants
make=(make -s -C "$copy" -j"$(nproc)" BUILD=build OPT='-O1 -g' CFLAGS=-Wno-error)
passed=0 failed=0
mkdir -p "$copy" "$results"
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$copy" || exit 1
"${make[@]}" all tenants >"$copy/log" 2>&1 || { tail -n 20 "$copy/log"; exit 1; }

while read -r attack file substitution; do
  case $attack in '' | '#'*) continue ;; esac
  [[ $attack == "$prefix"* ]] || continue
  perl -0pi -e "$substitution" "$copy/$file"
  if cmp -s "$file" "$copy/$file"; then
    verdict='not ok' why='the substitution matches nothing'
  elif ! "${make[@]}" all >"$copy/log" 2>&1; then
    verdict='not ok' why="does not build: $(grep -m 1 error: "$copy/log")"
  elif (cd "$copy" && timeout 120 tests/hostile/run.sh build/results build --only "$attack" >log 2>&1); then
    verdict='not ok' why='the attack still gets nowhere'
  else
    verdict='ok    ' why=$(sed -n "s/^not ok $attack .*ms: //p" "$copy/log")
    [ -n "$why" ] || why=$(tail -n 1 "$copy/log")
  fi
  printf '%s %-30s %s\n' "$verdict" "$attack" "$why"
  if [ "$verdict" = 'not ok' ]; then failed=$((failed + 1)); else passed=$((passed + 1)); fi
  cp -p "$file" "$copy/$file"
  touch "$copy/$file"
done <tests/hostile/mutations.txt
echo "hostile-mutations: $passed passed, $failed failed" | tee "$results/hostile-mutations"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
