#!/bin/bash
# Every kind of event has a journal message id of its own, and every id an entry in the message catalog, and the reverse.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
ids=$(sed -nE 's/^ *\[CORE_EVENT_[A-Z_]+\] = \{"([0-9a-f]{32})".*/\1/p' daemon/audit.c | sort)
entries=$(sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' systemd/homi.catalog | sort)
kinds=$(sed -nE '/^enum core_event_kind/,/^}/ s/^ *(CORE_EVENT_[A-Z_]+),.*/\1/p' daemon/core/core.h)
[ -n "$kinds" ] || { echo 'found no kinds of events in daemon/core/core.h'; bad=1; }
for kind in $kinds; do
  grep -qE "\[$kind\] = \{\"[0-9a-f]{32}\"" daemon/audit.c || { echo "daemon/audit.c: no message id for $kind"; bad=1; }
  grep -qE "\[$kind\] = \{" daemon/api/events.c || { echo "daemon/api/events.c: no name for $kind"; bad=1; }
done
for id in $(uniq -d <<<"$ids") $(uniq -d <<<"$entries"); do echo "message id $id is there twice"; bad=1; done
for id in $(comm -23 <(uniq <<<"$ids") <(uniq <<<"$entries")); do echo "systemd/homi.catalog: no entry for $id"; bad=1; done
for id in $(comm -13 <(uniq <<<"$ids") <(uniq <<<"$entries")); do echo "systemd/homi.catalog: $id is nobody's"; bad=1; done
exit "$bad"
