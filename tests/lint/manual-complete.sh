#!/bin/bash
# The manual leaves nothing out: every call of libhomi, method and error of the protocol, key of the configuration and
# word of homictl's command line stands in its page.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0

# expect WHAT FILE... : each word on standard input stands in one of the files.
expect() {
  local what=$1 word count=0
  shift
  while read -r word; do
    count=$((count + 1))
    grep -qwF -e "$word" "$@" || { echo "$*: nothing about the $what $word"; bad=1; }
  done
  [ "$count" -gt 0 ] || { echo "found no $what to look for"; bad=1; }
}

expect call man/*.3 < <(grep -oE '\<homi_[a-z_]+\(' lib/include/homi/homi.h | tr -d '(' | sort -u)
expect method man/homi.varlink.7 < <(sed -nE 's/^method ([A-Za-z]+).*/\1/p' proto/io.homi.*.varlink | sort -u)
expect error man/homi.varlink.7 < <(sed -nE 's/^error ([A-Za-z]+).*/\1/p' proto/io.homi.*.varlink | sort -u)
expect key man/homid.conf.5 < <(sed -nE 's/.*\{\.name = "([A-Za-z]+)", \.kind.*/\1/p' daemon/config/schema.c | sort -u)
expect command man/homictl.1 < <(sed -nE 's/.*\.words = "([a-z ]+)".*/\1/p' homictl/commands.c)
expect option man/homictl.1 < <(sed -nE 's/.*\{OPTION_[A-Z]+, "([a-z]+)".*/-\1/p' homictl/options.c)
expect metric man/homi-metrics.7 < <(grep -oE '"homi_[a-z_]+"' daemon/api/metrics.c | tr -d '"' | sort -u)
expect option man/homi-perf.1 < <(sed -nE '/_argument, NULL/s/\{"([a-z-]+)"[^}]*\},?/\n-\1\n/gp' bench/perf/options.c | grep '^-')
exit "$bad"
