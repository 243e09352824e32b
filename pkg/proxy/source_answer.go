package proxy

import (
	"context"
	"iter"
	"math/bits"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/resync"
	"github.com/pillion-dev/pillion/pkg/store"
)

// answer tells an agent what it lacks of the resources that it listed
// (docs/protocol.md, Resync, 1).
func (s *source) answer(ctx context.Context, e *event.Event) error {
	req, err := event.DecodeSpecRequest(e.Payload.Data)
	if err != nil {
		return err
	}
	group := s.group(e.Cluster, e.Type.DataType)
	asked := askedAt(e)
	held := s.store.Group(group)
	answer := resync.AnswerSpecs(req, asked, s.opts.ID, specEntries(held))
	err = s.withdraw(ctx, held, answer.Send, asked)
	s.answerWith(answer.Send, group, reason{response: true, askedAt: asked})
	if err != nil {
		return err
	}
	if err := s.confirmed(ctx, held, answer.Confirmed); err != nil {
		return err
	}
	if err := s.allAhead(ctx, group, answer.Ahead); err != nil {
		return err
	}
	s.traceAnswered(e, "listed", len(req.ResourceVersions), "sends", len(answer.Send),
		"confirmed", len(answer.Confirmed), "ahead", len(answer.Ahead), "unknown", len(answer.Unknown))
	return s.guard.request(ctx, group, answer.Unknown, asked)
}

func specEntries(metas []*store.Meta) iter.Seq[resync.SpecEntry] {
	return func(yield func(resync.SpecEntry) bool) {
		for _, m := range metas {
			if !yield(resync.SpecEntry{ID: m.Key.ID, Version: m.Version, Deleting: !m.Deleting.IsZero(),
				Gone: !m.Visible(), GoneConfirmedAt: confirmedAt(m)}) {
				return
			}
		}
	}
}

// withdraw takes back that the agent has confirmed what it has shown to lack: it
// has lost it. So the answer is no single shot, which a broker that drops what it
// cannot queue, or an end of this process, would make the last that is said: an
// SDK agent asks once for each of its connections.
func (s *source) withdraw(ctx context.Context, compared []*store.Meta, ids []string, asked time.Time) error {
	lacks := make(map[string]bool, len(ids))
	for _, id := range ids {
		lacks[id] = true
	}
	var lost []*store.Meta
	for _, m := range compared {
		if lacks[m.Key.ID] && hadBefore(m, asked) {
			lost = append(lost, m)
		}
	}
	for chunk := range slices.Chunk(lost, chunkSize) {
		err := s.store.Update(ctx, func(tx *store.Tx) error {
			for _, was := range chunk {
				m := tx.Meta(was.Key)
				if m == nil || m.Out.Dirty != was.Out.Dirty || !hadBefore(m, asked) {
					continue // changed since it was compared
				}
				now := *m
				now.Out.Confirmed = false
				tx.Put(now, store.Write{})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hadBefore tells whether the agent confirmed the version held before it asked:
// a status that came after its request tells more than the request does.
func hadBefore(m *store.Meta, asked time.Time) bool {
	return m.Visible() && m.Deleting.IsZero() && m.Out.Confirmed && !m.Out.ObservedAt.After(asked)
}

// confirmed notes what the agent has shown to hold, of what was compared: it is
// not sent again.
func (s *source) confirmed(ctx context.Context, compared []*store.Meta, ids []string) error {
	shown := make(map[string]bool, len(ids))
	for _, id := range ids {
		shown[id] = true
	}
	news := slices.DeleteFunc(compared, func(m *store.Meta) bool { return m.Out.Confirmed || !shown[m.Key.ID] })
	for chunk := range slices.Chunk(news, chunkSize) {
		err := s.store.Update(ctx, func(tx *store.Tx) error {
			for _, m := range chunk {
				s.confirmOne(tx, m)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *source) confirmOne(tx *store.Tx, compared *store.Meta) {
	m := tx.Meta(compared.Key)
	switch {
	case !m.Visible() || !m.Deleting.IsZero() || m.Out.Confirmed || m.Out.Dirty != compared.Out.Dirty:
		return // changed since it was compared
	case !s.given(m):
		s.ahead(tx, *m, m.Version)
		return
	}
	now := *m
	now.Out.Confirmed, now.Out.NoSubscribers, now.Out.Error = true, false, ""
	if now.Out.Pending { // it came by another way
		now.Out.Pending = false
		now.Out.PublishedVersion, now.Out.PublishedAt = now.Version, tx.Now()
	}
	tx.Put(now, store.Write{Visible: m.Out.Pending || m.Out.Error != ""})
}

func (s *source) allAhead(ctx context.Context, group resource.Group, ahead []resync.ResourceAhead) error {
	for chunk := range slices.Chunk(ahead, chunkSize) {
		err := s.store.Update(ctx, func(tx *store.Tx) error {
			for _, r := range chunk {
				m := tx.Meta(group.Key(r.ID))
				if !m.Visible() || m.Version >= r.Version {
					continue
				}
				s.ahead(tx, *m, r.Version)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// questions are the clusters and data types of which there are resources.
func (s *source) questions() []question {
	var all []question
	for _, g := range s.store.Groups() {
		if g.Source == s.opts.ID && slices.ContainsFunc(s.store.Group(g), (*store.Meta).Visible) {
			all = append(all, question{peer: g.Cluster, dataType: g.DataType})
		}
	}
	return all
}

func (s *source) group(cluster string, d resource.DataType) resource.Group {
	return resource.Group{DataType: d, Source: s.opts.ID, Cluster: cluster}
}

// requests asks a cluster for the statuses that differ from those held. With
// no peer it asks every cluster, for everything.
func (s *source) requests(q *question, maxPayload int) ([]*event.Event, error) {
	var hashes []event.ResourceHash
	group := s.group(q.peer, q.dataType)
	for _, m := range s.store.Group(group) {
		if m.Visible() {
			hashes = append(hashes, event.ResourceHash{ResourceID: m.Key.ID, StatusHash: listedHash(m, q.askedAt)})
		}
	}
	var events []*event.Event
	for _, req := range resync.CutStatuses(hashes, maxPayload) {
		e, err := requestEvent(event.SubStatus, q.dataType, req)
		if err != nil {
			return nil, err
		}
		e.Source, e.Cluster = s.opts.ID, q.peer
		events = append(events, e)
	}
	return events, nil
}

// listedHash is the hash by which an agent knows whether it has another status.
// A status that is about an older version may have the hash of the present one,
// which was lost on its way: of such, none is listed in the first request of a
// session, and from then on each time that the time since the spec was
// published has doubled, so that the agent sends what it has.
func listedHash(m *store.Meta, lastAsked time.Time) string {
	lags := m.StatusVersion != m.Version && m.Deleting.IsZero()
	if lags && (lastAsked.IsZero() || doublings(m, time.Now()) != doublings(m, lastAsked)) {
		return ""
	}
	return m.StatusHash
}

// doublings counts how often a minute has doubled since a spec was published.
func doublings(m *store.Meta, at time.Time) int {
	return bits.Len64(uint64(max(at.Sub(m.Out.PublishedAt), 0) / time.Minute))
}
