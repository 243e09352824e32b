package proxy

import (
	"context"
	"io"
)

// SyncedSetting is where the store keeps what the app has declared completely.
// A restore forgets it (docs/api.md, "No deletion storm").
const SyncedSetting = syncedSetting

// Backup writes a copy of the store, as of one moment, to what begin returns.
// It ends early when a write fails, as it does when the caller has gone.
func (p *Proxy) Backup(_ context.Context, begin func(size int64) (io.Writer, error)) error {
	return p.store.Backup(begin)
}
