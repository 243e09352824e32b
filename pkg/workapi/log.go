package workapi

import (
	"context"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

var klogOnce sync.Once

// quietly sends what the Kubernetes libraries log to the sidecar's log, once for
// the process: they know no other than a global logger. And a request that they
// panic on is answered with 500, as by a hub, and ends nothing else.
func quietly(log *slog.Logger) {
	klogOnce.Do(func() {
		klog.SetLogger(logr.FromSlogHandler(quieter{log.Handler()}))
		utilruntime.ReallyCrash = false
	})
}

// quieter takes for debugging what the libraries take for information.
type quieter struct{ slog.Handler }

// Enabled is asked with the libraries' level.
func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, lower(level))
}

// Handle writes with ours.
func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs keeps it quiet.
func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}

// WithGroup keeps it quiet.
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }

func lower(level slog.Level) slog.Level {
	if level <= slog.LevelInfo {
		return min(level, slog.LevelDebug)
	}
	return level
}
