#!/bin/bash
# Draws the figures of a datapath.json into one HTML page of SVGs. Usage: report.sh JSON HTML
set -euo pipefail
json=$1 html=$2
command -v gnuplot >/dev/null || { echo 'report.sh: gnuplot is missing (package gnuplot-nox)' >&2; exit 1; }
[ -s "$json" ] || { echo "report.sh: no $json; run make bench-datapath first" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One result per line, as: block bytes, queues, order, batch, least, floor, homi, ratio.
number() { sed -E "s/.*\"$1\": \"?([a-z0-9.]+).*/\1/" <<<"$2"; }
while IFS= read -r line; do
  [[ $line == *'"name"'* ]] || continue
  echo "$(number block_bytes "$line") $(number queues "$line") $(number order "$line") $(number batch "$line")" \
    "$(number least_ns "$line") $(number floor_ns "$line") $(number homi_ns "$line") $(number ratio "$line")"
done <"$json" >"$work/all"

# draw TITLE SELECTION OUTPUT: three bars per batch, the ratio above.
draw() {
  awk "$2" "$work/all" >"$work/data"
  [ -s "$work/data" ] || return 0
  gnuplot <<PLOT
set terminal svg size 560,320 font 'sans,11' background '#ffffff'
set output '$3'
set title '$1'
set style data histogram
set style fill solid 0.9 border -1
set yrange [0:*]
set grid ytics
set ylabel 'ns per I/O, net of the device'
set xlabel 'commands per doorbell'
set key top right
plot '$work/data' using 5:xtic(4) title 'least floor', '' using 6 title 'correct floor', \
     '' using 7 title 'homi', '' using 0:7:8 with labels offset 2,0.7 notitle
PLOT
}

{
  echo '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>HOMI data path</title>'
  echo '<h1>HOMI data path</h1><p>What the driver costs per read when the device costs next to nothing; the number'
  echo 'beside a bar is the ratio of the public API to the correct floor.</p>'
  for bytes in 512 4096 65536; do
    for queues in 1 16; do
      for order in fifo random; do
        draw "$bytes B, $queues queue(s), completions $order" \
          "\$1 == $bytes && \$2 == $queues && \$3 == \"$order\"" "$work/figure.svg"
        if [ -s "$work/figure.svg" ]; then
          sed '1{/^<?xml/d}' "$work/figure.svg"
          rm "$work/figure.svg"
        fi
      done
    done
  done
  echo '</html>'
} >"$html"
echo "$html"
