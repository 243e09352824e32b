#!/bin/sh
# The app on the cluster: takes devices from its queue, reports their status.
#
#   SIDECAR_SOCKET=/tmp/pillion/agent.sock sh agent.sh
#
# Needs curl, and python3 to read JSON. Runs until SIGTERM, and finishes what
# it has in hand.
set -u
socket=${SIDECAR_SOCKET:-/run/sidecar/sidecar.sock}
dir=$(mktemp -d)
idle=false stopping=false

# A shell sees a signal while it waits, not while a command is in the
# foreground: so curl runs in the background.
trap 'stopping=true; if $idle; then kill "${!:-}" 2>/dev/null; exit 0; fi' TERM INT
trap 'rm -rf "$dir"' EXIT

# call METHOD PATH BODY makes a call until it is answered; the answer is in
# $dir/answer. The sidecar may not be there yet, or be restarted under us.
call() {
  while :; do
    curl -s --unix-socket "$socket" --max-time 90 -o "$dir/answer" -w '%{http_code}' \
      -X "$1" "http://sidecar$2" -H 'Content-Type: application/json' -d "$3" >"$dir/code" &
    wait $! || { kill -0 $! 2>/dev/null && wait $!; } # a signal ends the wait, not curl
    case $(cat "$dir/code") in
    2?? | 404) return ;; # 404: that lease was answered or has lapsed
    000 | 429 | 503 | 504) ;; # nobody there, gone before the answer, or busy: may be repeated
    *) echo "$1 $2: $(cat "$dir/answer")" >&2; exit 1 ;;
    esac
    if $stopping; then exit 0; fi
    sleep 0.2
  done
}

# items prints what was leased, one item a line: lease, what there is to do,
# attempt, version, id.
items() {
  python3 - "$dir/answer" <<'EOF'
import json, sys
for item in json.load(open(sys.argv[1])).get("items", []):
    device, todo = item["object"], "apply"
    if device is None:
        todo = "nothing"
    elif device["deletionTimestamp"]:
        todo = "clean"
    elif device["spec"].get("flaky") and item["attempt"] == 1:
        todo = "fail"
    print(item["lease"], todo, item["attempt"], device and device["version"], item["key"]["id"])
EOF
}

until $stopping; do
  idle=true
  call POST /v1/queues/resources/lease '{"max":10,"wait":"30s"}'
  idle=false
  items >"$dir/items"
  while read -r lease todo attempt version id; do
    result='{}' # gone meanwhile: nothing to do
    case $todo in
    clean) result='{"deleted":true}' && echo "$id: cleaned up" ;;
    fail) # comes back later, each time after a longer wait
      result='{"result":"failed","error":"the device does not answer"}'
      echo "$id: failed: the device does not answer" ;;
    apply)
      result="{\"status\":{\"online\":true,\"attempt\":$attempt}}"
      echo "$id: version $version applied" ;;
    esac
    call POST "/v1/leases/$lease" "$result"
  done <"$dir/items"
done
