# shellcheck shell=bash disable=SC2154,SC2034
# Namespaces by homictl, on the software SSD.

space() { homictl list namespaces --json | jq -r --argjson id "$1" ".namespaces[] | select(.id == \$id) | $2"; }

case_namespaces_are_created_formatted_lent_to_the_host_and_deleted() {
  start_homid
  local said
  said=$(homictl namespace create ssd0 2M --block 4096)
  equal 'the new one' 'ssd0:4' "$said"
  equal 'its size' '512 4096' "$(space 4 '"\(.blocks) \(.blockBytes)"')"
  homictl namespace format ssd0:4 --block 512 --yes
  equal 'formatted' '4096 512' "$(space 4 '"\(.blocks) \(.blockBytes)"')"
  homictl namespace attach ssd0:4
  equal 'holder' host "$(space 4 .holder)"
  says 'namespace 4 of ssd0 is held by host' "$(status_of 1 homictl namespace delete ssd0:4 --yes)"
  homictl namespace detach ssd0:4
  homictl namespace detach ssd0:4
  equal 'holder' null "$(space 4 .holder)"
  equal 'by json' '{}' "$(homictl namespace delete ssd0:4 --yes --json)"
  equal 'what is left' '1 2 3' "$(homictl list namespaces --json | jq -r '[.namespaces[].id | tostring] | join(" ")')"
}

case_namespaces_of_leases_are_refused_and_data_is_asked_for() {
  start_homid
  homictl vf alloc --tenant blue >/dev/null
  says 'namespace 1 of ssd0 is held by blue' "$(status_of 1 homictl namespace delete ssd0:1 --yes)"
  says 'namespace 3 of ssd0 is held by blue' "$(status_of 1 homictl namespace format ssd0:3 --yes)"
  says 'namespace 1 of ssd0 is held by blue' "$(status_of 1 homictl namespace attach ssd0:1)"
  says 'give --yes' "$(status_of 2 homictl namespace delete ssd0:2)"
  says 'Namespace 2 of ssd0: 4.0MiB, configured for green, held by nobody' "$(status_of 2 homictl namespace delete ssd0:2)"
  says 'Nothing was changed' "$(echo no | script -qec "'$build/homictl' namespace delete ssd0:2" /dev/null || true)"
  equal 'it is there' 4096 "$(space 2 .blockBytes)"
  echo yes | script -qec "'$build/homictl' namespace delete ssd0:2" /dev/null
  equal 'it is gone' '' "$(space 2 .id)"
}

case_namespaces_that_cannot_be_are_named() {
  start_homid
  says 'no device ssd7' "$(status_of 1 homictl namespace create ssd7 1M)"
  says "'1X' is no size" "$(status_of 2 homictl namespace create ssd0 1X)"
  says "'16777216T' is no size" "$(status_of 2 homictl namespace create ssd0 16777216T)"
  says 'sizeBytes must be from' "$(status_of 1 homictl namespace create ssd0 100)"
  says 'no format of 1024' "$(status_of 4 homictl namespace create ssd0 1M --block 1024)"
  says "'ssd0' is no namespace" "$(status_of 2 homictl namespace delete ssd0 --yes)"
  says "'ssd0:0' is no namespace" "$(status_of 2 homictl namespace delete ssd0:0 --yes)"
  says 'ssd0 has no namespace 77' "$(status_of 1 homictl namespace delete ssd0:77 --yes)"
  says 'NVMe status' "$(status_of 1 homictl namespace create ssd0 1048576T)"
}
