package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// resourcesQueue is the queue that always exists: at an agent specs and
// deletions to act on, at a source statuses and finished deletions.
const resourcesQueue = "resources"

// Why a key is in the queue: a hint for the app, which decides by the object.
const (
	reasonCreated  = "created"
	reasonUpdated  = "updated"
	reasonDeleting = "deleting"
	reasonDeleted  = "deleted"
	reasonStatus   = "status"
	reasonRetry    = "retry"
	reasonRequeued = "requeued"
)

// queued marks that the app has work with m, which the next visible Put stores.
func queued(tx *store.Tx, m *store.Meta, reason string) {
	m.Queue.Queued = tx.NextRevision()
	m.Queue.Dead = nil
	if !slices.Contains(m.Queue.Reasons, reason) {
		m.Queue.Reasons = append(slices.Clone(m.Queue.Reasons), reason)
	}
}

// work is the queue of the app: keys in memory, marks in the store.
type work struct {
	*Proxy
	queue *queue.Queue[resource.Key]
}

// handout is what a lease handed out: how far the work goes that an answer
// finishes.
type handout struct {
	queued   resource.Revision
	born     resource.Revision // the life of the resource
	version  int64
	reasons  []string
	deleting bool
}

func (p *Proxy) checkQueue(name string) error {
	if name != resourcesQueue {
		return resource.Errorf(resource.NotFound, "there is no queue %.100q: the queue of this sidecar is %s", name, resourcesQueue)
	}
	return nil
}

// Lease waits for work until ctx or req.Wait ends, and hands it out.
func (p *Proxy) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	if err := p.checkQueue(req.Queue); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, req.Wait) // 0: what is ready
	defer cancel()
	leases := p.work.queue.Lease(ctx, req.Max, req.LeaseFor, func(key resource.Key) (any, queue.Verdict) {
		return p.work.prepare(key, req.DataTypes)
	})
	items := make([]resource.LeaseItem, 0, len(leases))
	for _, l := range leases {
		item, err := p.work.item(l)
		if err != nil {
			p.Return(idsOf(leases))
			return nil, err
		}
		items = append(items, item)
	}
	p.traceLeased(items)
	return items, nil
}

func idsOf(leases []queue.Lease[resource.Key]) []string {
	ids := make([]string, len(leases))
	for i, l := range leases {
		ids[i] = l.ID
	}
	return ids
}

func (w *work) prepare(key resource.Key, types []resource.DataType) (any, queue.Verdict) {
	if len(types) > 0 && !slices.Contains(types, key.DataType) {
		return nil, queue.Leave
	}
	m := w.store.Meta(key)
	if m == nil || !m.Queue.Due() {
		return nil, queue.Drop
	}
	return &handout{queued: m.Queue.Queued, reasons: m.Queue.Reasons}, queue.Take
}

// item reads the object of a lease: the newest state, which may be newer than
// the marks that made the key due; then it is handed out once more.
func (w *work) item(l queue.Lease[resource.Key]) (resource.LeaseItem, error) {
	h := l.Note.(*handout)
	item := resource.LeaseItem{Lease: l.ID, Key: l.Key, Reasons: h.reasons, Attempt: l.Attempt}
	if l.Attempt > 1 {
		item.Reasons = append(slices.Clone(item.Reasons), reasonRetry)
	}
	rec, err := w.store.Get(l.Key)
	switch {
	case resource.CodeOf(err) == resource.NotFound && err != nil:
	case err != nil:
		return item, err
	case rec.Visible():
		item.Object = w.view(rec)
		h.version, h.deleting, h.born = rec.Version, !rec.Deleting.IsZero(), rec.CreatedRevision
	}
	return item, nil
}

// Return puts leases back unhandled.
func (p *Proxy) Return(leases []string) { p.work.queue.Return(leases...) }

// Answer ends a lease or extends it. What it carries is on disk before the
// lease ends.
func (p *Proxy) Answer(ctx context.Context, lease string, r resource.WorkResult) error {
	if p.opts.Role == resource.Source && (r.Status != nil || r.Deleted) {
		return resource.Errorf(resource.Forbidden, "a source does not report status or confirm deletions: leave out status and deleted")
	}
	l, err := p.work.claim(ctx, lease)
	if err != nil {
		return err
	}
	var end func()
	err = p.store.Update(ctx, func(tx *store.Tx) (err error) {
		end, err = p.work.answer(tx, l, r)
		return err
	})
	if err != nil {
		p.work.queue.Unclaim(lease)
		return err
	}
	end()
	p.traceResult(l.Key, r)
	return nil
}

// claim waits while another answer for the lease is being stored, which may be
// an extension.
func (w *work) claim(ctx context.Context, lease string) (l queue.Lease[resource.Key], err error) {
	for {
		if l, ok := w.queue.Claim(lease); ok {
			return l, nil
		}
		busy := w.queue.Busy(lease)
		if busy == nil {
			return l, resource.Errorf(resource.NotFound, "there is no such lease: it was answered or has lapsed, and nothing was changed")
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return l, ctx.Err()
		}
	}
}

// answer stores a result and returns what ends the lease after the commit.
func (w *work) answer(tx *store.Tx, l queue.Lease[resource.Key], r resource.WorkResult) (end func(), err error) {
	h := l.Note.(*handout)
	if err := w.report(tx, l.Key, h, r); err != nil {
		return nil, err
	}
	failed := r.Result == resource.ResultFailed
	switch {
	case r.Result == resource.ResultExtend:
		return func() { w.queue.Extend(l.ID, orElse(r.LeaseFor, l.For)) }, nil
	case failed && w.givesUp(l, r):
		w.bury(tx, l, r.Error)
		return func() { w.queue.Done(l.ID) }, nil
	case failed:
		return func() { w.queue.Fail(l.ID, failureOf(r)) }, nil
	case r.RequeueAfter > 0:
		w.again(tx, l.Key, h)
		return func() { w.queue.Later(l.ID, r.RequeueAfter) }, nil
	case h.deleting && !r.Deleted && w.opts.Role == resource.Agent && w.sameLife(tx, l.Key, h):
		return func() { w.queue.Retry(l.ID, 0) }, nil // not cleaned up yet: it comes back
	}
	w.finish(tx, l.Key, h)
	return func() { w.queue.Done(l.ID) }, nil
}

// report stores the status and the confirmation that a result carries, unless
// the resource that was leased has gone meanwhile.
func (w *work) report(tx *store.Tx, key resource.Key, h *handout, r resource.WorkResult) error {
	a, ok := w.side.(*agent)
	if !ok || !w.sameLife(tx, key, h) {
		return nil
	}
	if r.Status != nil {
		if err := a.setStatus(tx, key, r.Status, h.version); err != nil {
			return err
		}
	}
	if r.Deleted && tx.Meta(key).Visible() {
		return a.remove(tx, resource.DeleteRequest{Key: key})
	}
	return nil
}

func (w *work) sameLife(tx *store.Tx, key resource.Key, h *handout) bool {
	m := tx.Meta(key)
	return m.Visible() && m.CreatedRevision == h.born
}

// finish marks the work of a lease as done; what came meanwhile stays due.
func (w *work) finish(tx *store.Tx, key resource.Key, h *handout) {
	m := tx.Meta(key)
	if m == nil || m.Queue.Done >= h.queued {
		return
	}
	done := *m
	done.Queue.Done = h.queued
	if !done.Queue.Due() {
		done.Queue.Reasons = nil
	}
	tx.Put(done, store.Write{})
}

// again leaves the work of a lease to be looked at once more: a change that came
// meanwhile says itself why the key comes back.
func (w *work) again(tx *store.Tx, key resource.Key, h *handout) {
	m := tx.Meta(key)
	if m == nil || m.Queue.Queued != h.queued {
		return
	}
	later := *m
	later.Queue.Reasons = []string{reasonRequeued}
	tx.Put(later, store.Write{})
}

// givesUp tells whether this failure is the last.
func (w *work) givesUp(l queue.Lease[resource.Key], r resource.WorkResult) bool {
	most := w.live.Load().Retry.Most
	return r.NoRetry || most > 0 && l.Attempt >= most
}

func failureOf(r resource.WorkResult) queue.Failure {
	return queue.Failure{After: r.RequeueAfter, AtLeast: r.RetryAfter}
}

// bury gives a key up until it changes or is retried by hand.
func (w *work) bury(tx *store.Tx, l queue.Lease[resource.Key], cause string) {
	m := tx.Meta(l.Key)
	h := l.Note.(*handout)
	if m == nil || m.Queue.Queued != h.queued { // it has changed: that is new work
		return
	}
	dead := *m
	dead.Queue.Dead = &store.Dead{At: tx.Now(), Attempts: l.Attempt, Error: truncate(cause, 1024)}
	tx.Put(dead, store.Write{})
}

// Requeue puts one key or all keys into the queue again.
func (p *Proxy) Requeue(ctx context.Context, req resource.RequeueRequest) (int, error) {
	return p.revive(ctx, req, func(m *store.Meta) bool { return m.Visible() })
}

// RetryDead puts one dead key or all of them into the queue again.
func (p *Proxy) RetryDead(ctx context.Context, req resource.RequeueRequest) (int, error) {
	return p.revive(ctx, req, isDead)
}

// DropDead takes one dead key or all of them for done: they come back when
// they change.
func (p *Proxy) DropDead(ctx context.Context, req resource.RequeueRequest) (int, error) {
	return p.remark(ctx, req, isDead, func(_ *store.Tx, m *store.Meta) {
		m.Queue.Dead, m.Queue.Done, m.Queue.Reasons = nil, m.Queue.Queued, nil
	})
}

func isDead(m *store.Meta) bool { return m.Queue.Dead != nil }

func (p *Proxy) revive(ctx context.Context, req resource.RequeueRequest, fits func(*store.Meta) bool) (int, error) {
	return p.remark(ctx, req, fits, func(tx *store.Tx, m *store.Meta) {
		queued(tx, m, reasonRequeued)
		m.Queue.Queued = tx.TakeRevision()
	})
}

// remark changes the marks of the keys that fit, and returns how many did.
func (p *Proxy) remark(ctx context.Context, req resource.RequeueRequest, fits func(*store.Meta) bool, change func(*store.Tx, *store.Meta)) (int, error) {
	if err := p.checkQueue(req.Queue); err != nil {
		return 0, err
	}
	keys, err := p.selected(req, fits)
	if err != nil {
		return 0, err
	}
	remarked := 0
	for chunk := range slices.Chunk(keys, chunkSize) {
		changed := 0
		err := p.store.Update(ctx, func(tx *store.Tx) error {
			changed = 0
			for _, key := range chunk {
				m := tx.Meta(key)
				if m == nil || !fits(m) {
					continue
				}
				marked := *m
				change(tx, &marked)
				tx.Put(marked, store.Write{})
				changed++
			}
			return nil
		})
		if err != nil {
			return remarked, err
		}
		remarked += changed
	}
	return remarked, nil
}

// chunkSize bounds what one Update changes when a call changes many resources.
const chunkSize = 500

func (p *Proxy) selected(req resource.RequeueRequest, fits func(*store.Meta) bool) (keys []resource.Key, err error) {
	if !req.All {
		key, err := p.resolve(*req.Key)
		if err != nil {
			return nil, err
		}
		if m := p.store.Meta(key); m == nil || !fits(m) {
			return nil, notFound(key)
		}
		return []resource.Key{key}, nil
	}
	for m := range p.store.All() {
		if fits(m) {
			keys = append(keys, m.Key)
		}
	}
	return keys, nil
}

// Queues lists the state of every queue.
func (p *Proxy) Queues() []resource.QueueStats {
	stats, _ := p.Queue(resourcesQueue)
	return []resource.QueueStats{stats}
}

// Queue is the state of one queue.
func (p *Proxy) Queue(name string) (resource.QueueStats, error) {
	if err := p.checkQueue(name); err != nil {
		return resource.QueueStats{}, err
	}
	s := p.work.queue.Stats()
	dead, _ := p.Dead(name)
	return resource.QueueStats{Name: name, Depth: s.Depth, InFlight: s.InFlight, Retrying: s.Retrying,
		Dead: len(dead), OldestSeconds: s.Oldest.Seconds()}, nil
}

// Dead lists the keys that were given up.
func (p *Proxy) Dead(name string) ([]resource.DeadItem, error) {
	if err := p.checkQueue(name); err != nil {
		return nil, err
	}
	items := []resource.DeadItem{}
	for m := range p.store.All() {
		if d := m.Queue.Dead; d != nil {
			items = append(items, resource.DeadItem{Key: m.Key, Reasons: m.Queue.Reasons, Attempts: d.Attempts, Error: d.Error, Since: d.At})
		}
	}
	return items, nil
}

func orElse(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}

func truncate(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most]
}
