package queue_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

// model is the queue's contract as plainly as it can be said: a map that is
// searched from end to end.
type model struct {
	now  time.Duration
	keys map[string]*modelKey
}

type modelKey struct {
	ready    bool
	at       time.Duration // when ready: since when; when waiting: until when
	failures int

	lease    string // "" = not leased
	claimed  bool
	deadline time.Duration
	again    time.Duration // due after the answer; never = not at all
	removed  bool
}

const never = time.Duration(1<<63 - 1)

const modelInitial, modelMax = time.Second, 8 * time.Second

func (m *model) makeDue(k *modelKey, at time.Duration) {
	*k = modelKey{failures: k.failures, at: max(at, m.now), ready: at <= m.now}
}

// pass lets d pass: what is due in it happens at its own time.
func (m *model) pass(d time.Duration) {
	m.now += d
	for key, k := range m.keys {
		switch {
		case k.lease == "" && !k.ready && k.at <= m.now:
			k.ready = true
		case k.lease != "" && !k.claimed && k.deadline <= m.now:
			m.lapse(key, k)
		}
	}
}

func (m *model) lapse(key string, k *modelKey) {
	k.failures++
	m.handBack(key, k, k.deadline)
}

func (m *model) handBack(key string, k *modelKey, at time.Duration) {
	if k.removed {
		delete(m.keys, key)
		return
	}
	*k = modelKey{failures: k.failures, at: at, ready: true}
}

func (m *model) addAfter(key string, d time.Duration) {
	k := m.keys[key]
	if k == nil {
		k = &modelKey{}
		m.keys[key] = k
		m.makeDue(k, m.now+d)
		return
	}
	switch due := m.now + d; {
	case k.lease != "":
		k.again, k.removed = min(k.again, due), false
	case !k.ready && due < k.at:
		m.makeDue(k, due)
	}
}

func (m *model) remove(key string) {
	if k := m.keys[key]; k != nil && k.lease != "" {
		k.again, k.removed, k.failures = never, true, 0
		return
	}
	delete(m.keys, key)
}

func (m *model) done(key string) {
	k := m.keys[key]
	k.failures = 0
	if k.again == never {
		delete(m.keys, key)
		return
	}
	m.makeDue(k, k.again)
}

func (m *model) retry(key string, after time.Duration) {
	k := m.keys[key]
	k.failures++
	if after <= 0 {
		after = min(modelInitial<<(min(k.failures, 9)-1), modelMax)
	}
	m.makeDue(k, min(k.again, m.now+after))
}

func (m *model) later(key string, after time.Duration) {
	k := m.keys[key]
	k.failures = 0
	m.makeDue(k, min(k.again, m.now+after))
}

// oldest is since when the oldest ready key has been ready.
func (m *model) oldest() (at time.Duration, any bool) {
	at = never
	for _, k := range m.keys {
		if k.ready {
			at, any = min(at, k.at), true
		}
	}
	return at, any
}

// duel plays the same moves against a queue and its model.
type duel struct {
	t      *testing.T
	q      *queue.Queue[string]
	m      *model
	leased map[string]queue.Lease[string] // every lease ever seen, by id
	moves  []byte
}

// next is the next byte of the game, 0 when it is over.
func (d *duel) next() int {
	if len(d.moves) == 0 {
		return 0
	}
	b := d.moves[0]
	d.moves = d.moves[1:]
	return int(b)
}

func (d *duel) key() string         { return fmt.Sprint(d.next() % 6) }
func (d *duel) time() time.Duration { return time.Duration(d.next()%40) * time.Second / 2 }

// openLease is a lease that is out, claimed or not as asked; "" when none is.
func (d *duel) openLease(claimed bool) (id, key string) {
	var ids []string
	for id, l := range d.leased {
		if k := d.m.keys[l.Key]; k != nil && k.lease == id && k.claimed == claimed {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", ""
	}
	// Ids are random; keys are not, and each has one lease.
	slices.SortFunc(ids, func(a, b string) int { return int(d.leased[a].Key[0]) - int(d.leased[b].Key[0]) })
	id = ids[d.next()%len(ids)]
	return id, d.leased[id].Key
}

func (d *duel) play() {
	for len(d.moves) > 0 {
		d.move()
		synctest.Wait()
		d.compare()
	}
}

func (d *duel) move() {
	switch d.next() % 12 {
	case 0, 1:
		key := d.key()
		d.q.Add(key)
		d.m.addAfter(key, 0)
	case 2:
		key, after := d.key(), d.time()
		d.q.AddAfter(key, after)
		d.m.addAfter(key, after)
	case 3:
		key := d.key()
		d.q.Remove(key)
		d.m.remove(key)
	case 4, 5:
		d.lease(1 + d.next()%3)
	case 6:
		after := d.time()
		pass(after)
		d.m.pass(after)
	case 7:
		id, key := d.openLease(false)
		d.q.Return(id)
		if id != "" {
			d.m.handBack(key, d.m.keys[key], d.m.now)
		}
	case 8, 9:
		d.claimAny()
	default:
		d.answer()
	}
}

// lease takes up to n keys, and checks that each was the oldest.
func (d *duel) lease(n int) {
	for range n {
		oldest, any := d.m.oldest()
		got := d.q.Lease(noWait(d.t), 1, 20*time.Second, takeAny)
		if any != (len(got) == 1) {
			d.t.Fatalf("leased %+v, but is one ready: %v", got, any)
		}
		if !any {
			return
		}
		d.took(got[0], oldest)
	}
}

func (d *duel) took(l queue.Lease[string], oldest time.Duration) {
	k := d.m.keys[l.Key]
	if k == nil || !k.ready || k.at != oldest {
		d.t.Fatalf("leased %+v, which is %+v in the model; the oldest is ready since %v", l, k, oldest)
	}
	if l.Attempt != k.failures+1 {
		d.t.Fatalf("attempt %d, want %d", l.Attempt, k.failures+1)
	}
	if _, twice := d.leased[l.ID]; twice {
		d.t.Fatalf("lease id %s was given twice", l.ID)
	}
	d.leased[l.ID] = l
	*k = modelKey{failures: k.failures, lease: l.ID, deadline: d.m.now + 20*time.Second, again: never}
}

// claimAny tries to claim all leases that were ever given but one, which must
// work for those alone that are out, and then that one.
func (d *duel) claimAny() {
	id, _ := d.openLease(false)
	for old, l := range d.leased {
		k := d.m.keys[l.Key]
		if open := k != nil && k.lease == old && !k.claimed; open && old != id {
			continue
		}
		_, ok := d.q.Claim(old)
		if ok != (old == id) {
			d.t.Fatalf("claiming %+v: %v", l, ok)
		}
	}
	if id != "" {
		d.m.keys[d.leased[id].Key].claimed = true
	}
}

func (d *duel) answer() {
	id, key := d.openLease(true)
	if id == "" {
		return
	}
	how, after := d.next()%5, d.time()
	switch k := d.m.keys[key]; how {
	case 0:
		d.q.Done(id)
		d.m.done(key)
	case 1:
		d.q.Retry(id, after)
		d.m.retry(key, after)
	case 2:
		d.q.Later(id, after)
		d.m.later(key, after)
	case 3:
		d.q.Extend(id, after)
		k.claimed, k.deadline = false, d.m.now+after
		d.m.pass(0)
	case 4:
		d.q.Unclaim(id)
		// What ran out meanwhile lapses now.
		k.claimed, k.deadline = false, max(k.deadline, d.m.now)
		d.m.pass(0)
	}
}

func (d *duel) compare() {
	var want queue.Stats
	for _, k := range d.m.keys {
		switch {
		case k.ready:
			want.Depth++
			want.Oldest = max(want.Oldest, d.m.now-k.at)
		case k.lease != "":
			want.InFlight++
		default:
			want.Retrying++
		}
	}
	got := d.q.Stats()
	if got.Depth != want.Depth || got.InFlight != want.InFlight || got.Retrying != want.Retrying || got.Oldest != want.Oldest {
		d.t.Fatalf("the queue holds %+v, the model %+v", got, want)
	}
}

// finish answers and takes all that is left: every key ends, and only once
// what was added for it was handed out.
func (d *duel) finish() {
	for id, key := d.openLease(true); id != ""; id, key = d.openLease(true) {
		d.q.Done(id)
		d.m.done(key)
	}
	for round := 0; len(d.m.keys) > 0; round++ {
		if round > 10 {
			d.t.Fatalf("never ends: %v", slices.Collect(maps.Keys(d.m.keys)))
		}
		pass(time.Hour)
		d.m.pass(time.Hour)
		d.compareCounts()
		d.lease(100)
		for id, key := d.openLease(false); id != ""; id, key = d.openLease(false) {
			if _, ok := d.q.Claim(id); !ok {
				d.t.Fatalf("%s cannot be claimed", key)
			}
			d.q.Done(id)
			d.m.keys[key].claimed = true
			d.m.done(key)
		}
	}
	wantEmpty(d.t, d.q)
}

func (d *duel) compareCounts() {
	if got, want := d.q.Stats().Depth, len(d.m.keys); got != want {
		d.t.Fatalf("%d keys are ready, want all %d", got, want)
	}
}

func play(t *testing.T, moves []byte) {
	o := queue.Options{RetryInitial: modelInitial, RetryMax: modelMax, QPS: 1e9, Burst: 1e9}
	story(t, o, func(t *testing.T, q *queue.Queue[string]) {
		d := &duel{t: t, q: q, m: &model{keys: map[string]*modelKey{}}, leased: map[string]queue.Lease[string]{}, moves: moves}
		d.play()
		d.finish()
	})
}

func TestAgainstAModel(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
			moves := make([]byte, 600)
			rng.Read(moves)
			play(t, moves)
		})
	}
}

func FuzzAgainstAModel(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 8, 0, 10, 0, 1, 9})
	f.Fuzz(func(t *testing.T, moves []byte) {
		if len(moves) > 2000 {
			t.Skip("longer games find nothing more")
		}
		play(t, moves)
	})
}
