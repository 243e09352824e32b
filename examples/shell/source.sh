#!/bin/sh
# The app at the hub: declares devices, waits for their status, deletes them.
#
#   SIDECAR_SOCKET=/tmp/pillion/source.sock sh source.sh [ID...]
#
# Needs curl, and python3 to read JSON. Ends when all devices are gone, or at
# SIGTERM.
set -u
socket=${SIDECAR_SOCKET:-/run/sidecar/sidecar.sock}
devices=/v1/resources/com.example.fleet.v1alpha1.devices/${CLUSTER:-cluster1}
dir=$(mktemp -d)
[ $# -gt 0 ] || set -- dev-1 dev-2 dev-3

# A shell sees a signal while it waits, not while a command is in the
# foreground: so curl runs in the background.
trap 'kill "${!:-}" 2>/dev/null; exit 0' TERM INT
trap 'rm -rf "$dir"' EXIT

# call METHOD PATH [BODY] makes a call until it is answered; the answer is in
# $dir/answer. The sidecar may not be there yet, or be restarted under us.
call() {
  while :; do
    curl -s --unix-socket "$socket" --max-time 90 -o "$dir/answer" -w '%{http_code}' \
      -X "$1" "http://sidecar$2" -H 'Content-Type: application/json' -d "${3:-}" >"$dir/code" &
    wait $!
    case $(cat "$dir/code") in
    2?? | 404) return ;;
    000 | 429 | 503 | 504) sleep 0.2 ;; # nobody there, gone before the answer, or not yet: may be repeated
    *) echo "$1 $2: $(cat "$dir/answer")" >&2; exit 1 ;;
    esac
  done
}

# status prints that of the resource in the answer.
status() {
  python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["status"]))' "$dir/answer"
}

# spec DEVICE prints what we want of it.
spec() {
  case $1 in *2) flaky=true ;; *) flaky=false ;; esac
  echo "{\"spec\":{\"model\":\"tractor-x\",\"flaky\":$flaky}}"
}

for device in "$@"; do
  call PUT "$devices/$device" "$(spec "$device")"
  echo "$device: declared"
done
call POST /v1/synced # that was all: what agents hold beyond it may be deleted

for device in "$@"; do # the same once more changes nothing, but waits for the status
  call PUT "$devices/$device?wait=observed&timeout=30s" "$(spec "$device")"
  echo "$device: observed, status $(status)"
done

for device in "$@"; do
  call DELETE "$devices/$device?wait=observed&timeout=30s" # answers when it is gone
  echo "$device: gone"
done
