#!/bin/sh
# A worker in ten lines: sidecar lease --confirm-deletes -- sh handle.sh
device=$SIDECAR_KEY_ID
if [ "$SIDECAR_DELETING" = true ]; then
  echo "$device: cleaned up"
elif grep -q '"flaky":true' && [ "$SIDECAR_ATTEMPT" = 1 ]; then # the item, on standard input
  echo "$device: failed: the device does not answer" >&2 && exit 75
else
  echo "$device: version $SIDECAR_VERSION applied" >&2
  echo "{\"online\":true,\"attempt\":$SIDECAR_ATTEMPT}" # the status
fi
