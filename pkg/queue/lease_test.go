package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/queue"
)

// prepareFunc is what Lease asks about a key.
type prepareFunc = func(string) (any, queue.Verdict)

// only takes the keys that begin so, and leaves the others.
func only(prefix string) prepareFunc {
	return func(key string) (any, queue.Verdict) {
		if strings.HasPrefix(key, prefix) {
			return nil, queue.Take
		}
		return nil, queue.Leave
	}
}

// begin starts a Lease that waits, and returns where its answer comes.
func begin(ctx context.Context, q *queue.Queue[string], max int, prepare prepareFunc) <-chan []queue.Lease[string] {
	got := make(chan []queue.Lease[string], 1)
	go func() { got <- q.Lease(ctx, max, minute, prepare) }()
	synctest.Wait()
	return got
}

// answered is what a Lease has returned by now.
func answered(t *testing.T, got <-chan []queue.Lease[string]) []queue.Lease[string] {
	t.Helper()
	synctest.Wait()
	select {
	case leases := <-got:
		return leases
	default:
		t.Fatal("Lease still waits")
		return nil
	}
}

func wantWaiting(t *testing.T, got <-chan []queue.Lease[string]) {
	t.Helper()
	synctest.Wait()
	select {
	case leases := <-got:
		t.Fatalf("Lease returned %+v, want it to wait", leases)
	default:
	}
}

func TestWhateverMakesAKeyReadyServesWhoWaits(t *testing.T) {
	type Q = *queue.Queue[string]
	for name, act := range map[string]func(t *testing.T, q Q, lease string){
		"add":      func(_ *testing.T, q Q, id string) { q.Add("b") },
		"add wait": func(_ *testing.T, q Q, id string) { q.AddAfter("b", 1); pass(1) },
		"return":   func(_ *testing.T, q Q, id string) { q.Return(id) },
		"lapse":    func(_ *testing.T, q Q, id string) { pass(minute) },
		"done":     func(_ *testing.T, q Q, id string) { q.Add("a"); q.Claim(id); q.Done(id) },
		"retry":    func(_ *testing.T, q Q, id string) { q.Claim(id); q.Retry(id, 1); pass(1) },
		"later":    func(_ *testing.T, q Q, id string) { q.Claim(id); q.Later(id, 1); pass(1) },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
				q.Add("a")
				out := takeOne(t, q, "a", 1)
				got := begin(t.Context(), q, 1, takeAny)
				wantWaiting(t, got)
				act(t, q, out.ID)
				if leases := answered(t, got); len(leases) != 1 {
					t.Fatalf("leased %+v", leases)
				}
			})
		})
	}
}

func TestLeaseEndsWithItsContext(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		ctx, cancel := context.WithTimeout(t.Context(), minute)
		defer cancel()
		got := begin(ctx, q, 1, takeAny)
		pass(minute - 1)
		wantWaiting(t, got)
		pass(1)
		if leases := answered(t, got); leases != nil {
			t.Fatalf("leased %+v", leases)
		}
		q.Add("a") // is not given to who has gone
		takeOne(t, q, "a", 1)
	})
}

func TestACancelledCallerGetsNothing(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		q.Add("a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := q.Lease(ctx, 1, minute, takeAny); got != nil {
			t.Fatalf("leased %+v", got)
		}
		takeOne(t, q, "a", 1)
	})
}

func TestLeaseReturnsNothingOnceRunHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[string](queue.Options{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- q.Run(ctx) }()
		waits := begin(t.Context(), q, 1, takeAny)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
		if got := answered(t, waits); got != nil {
			t.Errorf("leased %+v", got)
		}
		q.Add("a")
		if got := q.Lease(t.Context(), 1, minute, takeAny); got != nil {
			t.Errorf("leased %+v", got)
		}
	})
}

func TestCallersGetOnlyWhatTheyTake(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		for _, key := range []string{"x1", "y1", "x2", "y2"} {
			q.Add(key)
		}
		wantKeys(t, q.Lease(noWait(t), 9, minute, only("y")), "y1", "y2")
		waits := begin(t.Context(), q, 1, only("y"))
		wantKeys(t, q.Lease(noWait(t), 9, minute, only("x")), "x1", "x2")
		q.Add("x3")
		wantWaiting(t, waits)
		q.Add("y3")
		wantKeys(t, answered(t, waits), "y3")
		takeOne(t, q, "x3", 1)
	})
}

func TestALeftKeyIsAskedAboutOncePerChange(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		var asked atomic.Int32
		q.Add("a")
		waits := begin(t.Context(), q, 1, func(string) (any, queue.Verdict) {
			if asked.Add(1) == 3 {
				return nil, queue.Take
			}
			return nil, queue.Leave
		})
		for want := int32(1); want < 3; want++ {
			pass(time.Hour)
			wantWaiting(t, waits)
			if got := asked.Load(); got != want {
				t.Fatalf("asked %d times, want %d", got, want)
			}
			q.Add("a")
		}
		wantKeys(t, answered(t, waits), "a")
	})
}

func TestADroppedKeyIsGone(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		drop := func(key string) (any, queue.Verdict) {
			if key == "keep" {
				return nil, queue.Take
			}
			return nil, queue.Drop
		}
		q.Add("a")
		q.Retry(claim(t, q, "a", 1), 1)
		pass(1)
		waits := begin(t.Context(), q, 1, drop) // drops a
		q.Add("b")
		wantWaiting(t, waits) // dropped b
		wantEmpty(t, q)
		q.Add("keep")
		wantKeys(t, answered(t, waits), "keep")
		q.Add("a")
		takeOne(t, q, "a", 1) // its failures are forgotten
	})
}

func TestADroppedKeyIsNotOfferedToOthers(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		drops := begin(t.Context(), q, 1, func(string) (any, queue.Verdict) { return nil, queue.Drop })
		takes := begin(t.Context(), q, 1, takeAny)
		q.Add("a")
		wantWaiting(t, drops)
		wantWaiting(t, takes)
		wantEmpty(t, q)
	})
}

func TestWaitersAreServedInTurnAndOnlyWhenThereIsWork(t *testing.T) {
	const n = 1000
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		var asked atomic.Int32
		prepare := func(string) (any, queue.Verdict) { asked.Add(1); return nil, queue.Take }
		var waits []<-chan []queue.Lease[string]
		for range n {
			waits = append(waits, begin(t.Context(), q, 1, prepare))
		}
		for i, w := range waits {
			key := fmt.Sprint(i)
			q.Add(key)
			wantKeys(t, answered(t, w), key)
		}
		if got := asked.Load(); got != n {
			t.Errorf("asked %d times for %d keys", got, n)
		}
	})
}

func TestAWaiterTakesTheRestOfABurstAlong(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		waits := begin(t.Context(), q, 3, takeAny)
		for _, key := range []string{"a", "b", "c", "d"} {
			q.AddAfter(key, time.Second) // ready together
		}
		pass(time.Second)
		if got := answered(t, waits); len(got) != 3 {
			t.Errorf("leased %q, want 3", keys(got))
		}
		if left := take(t, q, 9); len(left) != 1 {
			t.Errorf("%q are left, want 1", keys(left))
		}
	})
}

func TestAPickyWaiterDoesNotSearchTheBacklogAgain(t *testing.T) {
	story(t, queue.Options{}, func(t *testing.T, q *queue.Queue[string]) {
		const backlog = 100
		for i := range backlog {
			q.Add(fmt.Sprint(i))
		}
		asked := 0
		waits := begin(t.Context(), q, 9, func(key string) (any, queue.Verdict) {
			asked++
			return only("x")(key)
		})
		q.Add("x")
		wantKeys(t, answered(t, waits), "x")
		if asked > backlog+2 { // each once, the new key, and the oldest once more
			t.Errorf("asked %d times about %d keys", asked, backlog+1)
		}
	})
}

// search leases from a long backlog of which only key 0 is taken, and that
// only once it was left and during was begun, which has time to end meanwhile.
func search(t *testing.T, during func(q *queue.Queue[int])) []queue.Lease[int] {
	t.Helper()
	const n = 800
	q := queue.New[int](queue.Options{})
	for i := range n {
		q.Add(i)
	}
	var begun atomic.Bool
	var ended sync.WaitGroup
	defer ended.Wait()
	prepare := func(key int) (any, queue.Verdict) {
		switch {
		case key == 0 && begun.Load():
			return nil, queue.Take
		case key == 1 && !begun.Swap(true):
			ended.Go(func() { during(q) }) // gets at the queue when the search lets it
		}
		time.Sleep(10 * time.Microsecond)
		return nil, queue.Leave
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return q.Lease(ctx, 1, minute, prepare)
}

func TestAKeyThatIsAddedAgainBehindASearchIsSeen(t *testing.T) {
	if got := search(t, func(q *queue.Queue[int]) { q.Add(0) }); len(got) != 1 || got[0].Key != 0 {
		t.Fatalf("leased %+v, want the key that has changed", got)
	}
}

func TestAKeyThatIsTakenBehindASearchIsNotTakenTwice(t *testing.T) {
	var first []queue.Lease[int]
	second := search(t, func(q *queue.Queue[int]) {
		q.Add(0)
		first = q.Lease(noWait(t), 1, minute, func(int) (any, queue.Verdict) { return nil, queue.Take })
	})
	taken := 0
	for _, l := range append(first, second...) {
		if l.Key == 0 {
			taken++
		}
	}
	if taken != 1 {
		t.Fatalf("leased %+v and %+v, want the key that has changed once", first, second)
	}
}

// A caller that searches a long backlog lets others in between, who may change
// all of it.
func TestABacklogMayChangeWhileItIsSearched(t *testing.T) {
	const n = 3000
	q := queue.New[int](queue.Options{})
	for i := range n {
		q.Add(i)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				q.Remove(i % n)
				q.Add(i % n)
			}
		}
	}()
	for range 20 {
		last := -1
		got := q.Lease(noWait(t), 1, minute, func(k int) (any, queue.Verdict) { last = k; return nil, queue.Leave })
		if len(got) != 0 || last < 0 {
			t.Fatalf("leased %+v, saw %d last", got, last)
		}
	}
	close(stop)
	<-stopped
	seen := make(map[int]bool)
	for _, l := range q.Lease(noWait(t), 2*n, minute, func(int) (any, queue.Verdict) { return nil, queue.Take }) {
		seen[l.Key] = true
	}
	if len(seen) != n {
		t.Fatalf("%d keys are left of %d", len(seen), n)
	}
}
