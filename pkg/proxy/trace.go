package proxy

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// What log.level debug shows of the traffic: which event, about what, and how
// much is asked and answered; never a payload. It costs one comparison while it
// is off.

// tracing tells whether debug lines are wanted.
func (p *Proxy) tracing() bool { return p.log.Enabled(context.Background(), slog.LevelDebug) }

// about are the fields by which a line names an event.
func about(e *event.Event) []any {
	fields := []any{"type", e.Type.String(), "sender", e.Source, "cluster", e.Cluster}
	if e.OriginalSource != "" {
		fields = append(fields, "source", e.OriginalSource)
	}
	if e.ResourceID != "" {
		fields = append(fields, "resourceID", e.ResourceID, "version", e.ResourceVersion, "deleting", e.DeletionTimestamp != nil)
	}
	return fields
}

func (p *Proxy) traceReceived(batch []transport.Delivery, outcomes []outcome) {
	if !p.tracing() {
		return
	}
	for i, d := range batch {
		if d.Event != nil && outcomes[i].drop == "" {
			p.log.Debug("event received", append(about(d.Event), "news", outcomes[i].news)...)
		}
	}
}

func (p *Proxy) tracePublished(e *event.Event, receipt transport.Receipt) {
	if p.tracing() {
		p.log.Debug("event published", append(about(e), "noSubscribers", receipt.NoSubscribers)...)
	}
}

// traceAsked counts what a resync request of ours lists.
func (p *Proxy) traceAsked(q *question, events []*event.Event) {
	if !p.tracing() {
		return
	}
	listed := 0
	for _, e := range events {
		listed += listedBy(e)
	}
	p.log.Debug("asked for resync", "peer", q.peer, "dataType", string(q.dataType), "events", len(events), "listed", listed)
}

func listedBy(e *event.Event) int {
	if e.Type.Sub == event.SubSpec {
		if req, err := event.DecodeSpecRequest(e.Payload.Data); err == nil {
			return len(req.ResourceVersions)
		}
	} else if req, err := event.DecodeStatusRequest(e.Payload.Data); err == nil {
		return len(req.StatusHashes)
	}
	return 0
}

func (p *Proxy) traceAnswered(e *event.Event, counts ...any) {
	if p.tracing() {
		p.log.Debug("resync request answered", append(about(e), counts...)...)
	}
}

func (p *Proxy) traceLeased(items []resource.LeaseItem) {
	if !p.tracing() {
		return
	}
	for _, item := range items {
		p.log.Debug("leased", "key", item.Key.String(), "reasons", item.Reasons, "attempt", item.Attempt)
	}
}

func (p *Proxy) traceResult(key resource.Key, r resource.WorkResult) {
	if p.tracing() {
		p.log.Debug("lease answered", "key", key.String(), "result", cmp.Or(r.Result, resource.ResultDone), "status", r.Status != nil, "deleted", r.Deleted)
	}
}
