package testbroker

import (
	"context"
	"log/slog"
)

// withoutPackets keeps packets out of the log: mochi adds them to its warnings,
// and they hold specs and statuses.
type withoutPackets struct{ slog.Handler }

// Handle drops the fields in which mochi puts a packet.
func (h withoutPackets) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "pk" && a.Key != "packet" {
			clean.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs keeps the filter.
func (h withoutPackets) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutPackets{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the filter.
func (h withoutPackets) WithGroup(name string) slog.Handler {
	return withoutPackets{h.Handler.WithGroup(name)}
}
