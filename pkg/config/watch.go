package config

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// How a change is noticed (docs/api.md, Configuration, hot reload).
const (
	quietTime = 200 * time.Millisecond // writers are given this long to finish
	latest    = time.Second            // even if the folder never becomes quiet
	pollEvery = 10 * time.Second       // where the system tells nothing
)

// Watcher keeps a running sidecar's configuration equal to its files: the
// configuration file and all that it names.
type Watcher struct {
	path  string
	log   *slog.Logger
	poll  time.Duration
	asked chan struct{}

	// Of the goroutine of Run only.
	current *Config
	seen    snapshot // at the last attempt

	mu     sync.Mutex
	status resource.ConfigStatus
}

// NewWatcher makes a watcher of the file at path; current is what Load made of
// it and is in effect.
func NewWatcher(path string, current *Config, log *slog.Logger) *Watcher {
	return &Watcher{
		path:    path,
		log:     log,
		poll:    pollEvery,
		asked:   make(chan struct{}, 1),
		current: current,
		status:  resource.ConfigStatus{File: path, LoadedAt: time.Now()},
	}
}

// Reload asks for a reload, as SIGHUP does. It does not wait for it.
func (w *Watcher) Reload() {
	select {
	case w.asked <- struct{}{}:
	default: // one is waiting, and will see what this caller sees
	}
}

// Status tells which configuration is in effect since when, and why a later
// one is not.
func (w *Watcher) Status() resource.ConfigStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run gives every change to apply until ctx ends, and then returns nil. What
// apply refuses is not in effect, and counts as not valid. It begins by
// looking for changes since current was loaded.
func (w *Watcher) Run(ctx context.Context, apply func(*Config) error) error {
	folders := newFolders(w.log)
	defer folders.close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	var settle settling
	defer settle.stop()

	folders.follow(slices.Values(w.current.Files()))
	w.reload(apply, false)
	follow := func() {
		if folders.follow(maps.Keys(w.seen)) {
			settle.touch(time.Now()) // a change there went unseen until now
		}
	}
	for follow(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-folders.events():
			settle.touch(time.Now())
		case <-folders.errors():
			settle.touch(time.Now())
		case <-settle.done():
			settle.stop()
			w.check(apply)
			follow()
		case <-poll.C:
			w.check(apply)
			follow()
		case <-w.asked:
			w.reload(apply, true)
			follow()
		}
	}
}

// check reloads if a file holds something else than at the last attempt.
func (w *Watcher) check(apply func(*Config) error) {
	if w.seen.changed() {
		w.reload(apply, false)
	}
}

// reload takes over the whole configuration, or nothing of it. Who has asked for
// it is told even that nothing differs.
func (w *Watcher) reload(apply func(*Config) error, asked bool) {
	next, seen, err := load(w.path)
	w.seen = seen
	changed, reconnect := false, false
	if err == nil {
		reconnect = NeedsReconnect(w.current, next)
		changed, err = w.take(next, apply)
	}
	switch refused := w.Status().Error != ""; {
	case err != nil:
		w.log.Error("configuration refused, the last good one stays in effect", "file", w.path, "error", err)
	case changed:
		w.log.Info("configuration reloaded", "file", w.path, "reconnect", reconnect)
	case refused:
		w.log.Info("configuration is valid again, and the one in effect", "file", w.path)
	case asked:
		w.log.Info("configuration read again, nothing has changed", "file", w.path)
	}
	w.record(err)
}

// take puts next into effect, and tells whether anything differs.
func (w *Watcher) take(next *Config, apply func(*Config) error) (changed bool, err error) {
	if changed = !sameEffect(w.current, next); changed {
		if err := Immutable(w.current, next); err != nil {
			return false, err
		}
		if err := apply(next); err != nil {
			return false, err
		}
	}
	if !slices.Equal(w.current.Warnings, next.Warnings) {
		for _, warning := range next.Warnings {
			w.log.Warn("configuration warning", "warning", warning)
		}
	}
	w.current = next
	return changed, nil
}

// record sets the status after an attempt.
func (w *Watcher) record(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.status.Error = err.Error()
		return
	}
	w.status.Error = ""
	w.status.LoadedAt = time.Now()
}
