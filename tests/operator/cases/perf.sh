# shellcheck shell=bash disable=SC2154,SC2034
# homi-perf: what it loads, what it refuses, what it prints.

# loads FILTER OPTION...: homi-perf succeeds, and the filter on its result is true.
loads() {
  local filter=$1 result
  shift
  result=$("$build/homi-perf" --tenant blue --wait 5000 --json "$@")
  equal "$filter of $result" true "$(jq "$filter" <<<"$result")"
}

case_perf_spreads_over_functions_queue_pairs_and_threads() {
  start_homid
  loads '.functions == 2 and .queuePairs == 4 and .threads == 2 and .reads == 4000 and .errors == 0' \
    --ios 4000 --functions 2 --queue-pairs 2 --threads 2 --cpus 0
  loads '.threads == 2 and .interrupt and .reads == 1000 and .errors == 0' --ios 1000 --queue-pairs 2 --interrupt
  loads '.doorbellWrites == 2000' --ios 1000 --depth 1
}

case_perf_verifies_what_it_wrote() {
  start_homid
  loads '.writes == 256 and .errors == 0' --ios 256 --rw write --destroy --verify --length 1M --block-size 4k --seed 7
  loads '.reads == 256 and .miscompares == 0' --ios 256 --rw read --verify --length 1M --block-size 4k --seed 7
  loads '.latencyNanoseconds | .samples == 256 and .p50 > 0 and .p50 <= .max' --ios 256 --length 1M --latency
  # What another wrote in between is told apart.
  loads '.writes == 1' --ios 1 --rw write --destroy --length 4k --block-size 4k --seed 8
  local result
  result=$(status_of 1 "$build/homi-perf" --tenant blue --wait 5000 --json --ios 256 --rw read --verify --length 1M --block-size 4k --seed 7)
  equal 'miscompares' 1 "$(jq .miscompares <<<"$result")"
}

case_perf_refuses_by_name() {
  start_homid
  says 'say --destroy' "$(status_of 2 "$build/homi-perf" --rw rw --ios 1)"
  says 'QuotaExceeded.*virtualFunctions' "$(status_of 3 "$build/homi-perf" --tenant blue --functions 3 --ios 1)"
  says 'may not run on CPU 1023' "$(status_of 2 "$build/homi-perf" --tenant blue --wait 5000 --cpus 1023 --ios 1)"
  local free
  free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
  if [ "$free" -eq 0 ]; then
    says 'hugepages' "$(status_of 4 "$build/homi-perf" --tenant blue --wait 5000 --hugepages --ios 1)"
  else
    loads '.reads == 1' --hugepages --ios 1
  fi
}

case_perf_shows_each_second_on_a_terminal() {
  start_homid
  local shown
  shown=$(script -qec "$build/homi-perf --tenant blue --wait 5000 --runtime 2" /dev/null)
  says '1 s +[0-9]+ IOPS .*0 errors' "$shown"
  says '^[0-9]+ IOPS' "$shown"
  shown=$("$build/homi-perf" --tenant blue --wait 5000 --runtime 1)
  equal 'a live line in a file' '' "$(grep ' s .* IOPS .*errors' <<<"$shown" || true)"
}

case_top_shows_how_busy_relayed_leases_are() {
  TRUSTED=false start_homid
  "$build/homi-perf" --tenant blue --wait 5000 --runtime 4 >"$folder/perf" &
  local load=$! seen
  wait_for 10 sh -c "'$build/homictl' list leases --json | jq -e '.leases[0].queuePairsUsed == 1'"
  seen=$(timeout 2.5 "$build/homictl" top --json || [ $? -eq 124 ])
  wait "$load"
  equal 'rates after the first look' true "$(jq -s '.[1:] | length >= 1 and all(.leases[0].iops > 0)' <<<"$seen")"
  equal 'a rate at the first look' null "$(jq -s '.[0].leases[0].iops' <<<"$seen")"
}
