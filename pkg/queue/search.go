package queue

import "time"

// searchChunk is how many ready keys a caller is asked about before others get
// at the queue: who leaves a long backlog must not hold up Add.
const searchChunk = 256

// gather offers all ready keys to w, the oldest first.
func (q *Queue[K]) gather(w *waiter[K]) {
	q.searching.pushBack(&w.pos)
	q.search(w)
	q.searching.remove(&w.pos)
	for key := range w.missed {
		if e := q.entries[key]; e != nil && e.place == ready && !w.full() && !q.closed {
			q.offer(e, w, time.Now())
		}
	}
}

// search goes through the ready keys. It lets go of the lock in between and
// keeps its place by a mark; not so for keys that come meanwhile, or it might
// never catch up with them.
func (q *Queue[K]) search(w *waiter[K]) {
	var mark node[entry[K]]
	n, now, backlog := q.ready.first, time.Now(), q.ready.len
	for seen := 1; n != nil && !w.full() && !q.closed; seen++ {
		next := n.next
		if n.item != nil {
			q.offer(n.item, w, now)
		}
		if seen%searchChunk == 0 && seen < backlog && next != nil {
			q.ready.insertBefore(&mark, next)
			q.mu.Unlock()
			q.mu.Lock()
			next, now = mark.next, time.Now()
			q.ready.remove(&mark)
		}
		n = next
	}
}

// topUp adds the rest of a burst to what w was handed. It stops at the first
// key that w leaves: w has been through the backlog before it waited.
func (q *Queue[K]) topUp(w *waiter[K]) {
	now := time.Now()
	for !w.full() && !q.closed {
		e := q.ready.head()
		if e == nil || q.offer(e, w, now) == Leave {
			return
		}
	}
}

// offer asks w about a ready key and does what it says.
func (q *Queue[K]) offer(e *entry[K], w *waiter[K], now time.Time) Verdict {
	note, verdict := w.prepare(e.key)
	switch verdict {
	case Take:
		q.makeLeased(e, w, note, now)
	case Drop:
		q.forget(e)
	}
	return verdict
}

// dispatch offers a ready key to those who wait, until one takes it.
func (q *Queue[K]) dispatch(e *entry[K], now time.Time) {
	for n := q.waiters.first; n != nil; n = n.next {
		switch q.offer(e, n.item, now) {
		case Take:
			q.dismiss(n.item)
			return
		case Drop:
			return
		}
	}
}

// reconsider offers a ready key again, because it was added again: to those
// who wait, and in the end to those who have not finished their search.
func (q *Queue[K]) reconsider(e *entry[K], now time.Time) {
	q.dispatch(e, now)
	for n := q.searching.first; n != nil; n = n.next {
		if n.item.missed == nil {
			n.item.missed = make(map[K]struct{})
		}
		n.item.missed[e.key] = struct{}{}
	}
}
