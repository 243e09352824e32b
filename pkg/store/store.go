package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// DefaultHistory is how many visible changes are kept for watchers
// (docs/api.md, "Local API").
const DefaultHistory = 10_000

// Options say where the store lies and how it writes.
type Options struct {
	Dir     string                  // state.dir; made with mode 0700 if missing; the file in it is sidecar.db, mode 0600
	Sync    bool                    // sync on every commit; without it a power cut may take changes back
	History int                     // visible changes kept for watchers; 0 = DefaultHistory
	Owner   string                  // whose store it is, kept in it: Restore refuses that of another; "" = leave it
	Mine    func(owner string) bool // tells of the owner that is kept whether the store may be opened; nil = of all
	Forget  []string                // settings that do not outlive a journal that is missing, see RestoreOptions
	Log     *slog.Logger            // nil = discard
}

// Store is an open store. Its methods may be called from any goroutine, but
// see the package doc on what may be called from inside an update.
type Store struct {
	db      *bbolt.DB
	path    string
	sync    bool
	history int
	owner   string
	mine    func(owner string) bool
	forget  []string
	log     *slog.Logger
	clock   func() time.Time

	index       index
	memory      memory
	journal     journal
	checkpoints checkpoints
	jobs        jobs
	cursors     cursors
	sequence    sequence
	resident    residency
	observers   []func([]Change)

	committing chan struct{} // holds one while somebody is the committer

	visible atomic.Uint64 // state.Visible, for everybody
	locked  atomic.Bool   // a transaction could not begin, and none may any more

	mu      sync.Mutex
	err     error         // of the last commit
	broken  error         // set when the disk can no longer be trusted
	changed chan struct{} // closed by the next commit with visible changes

	lost  chan struct{} // closed when broken is set
	ended chan struct{} // closed when no Update is left
}

// Open opens the store in o.Dir, or makes a new one there. It fails within
// about a second if another process has it open. A file that it cannot use is
// left as it is, and the error names it and says what to do.
func Open(o Options) (*Store, error) {
	s := newStore(o)
	if err := s.open(); err != nil {
		return nil, err
	}
	go s.run()
	go s.runCheckpoints()
	return s, nil
}

func newStore(o Options) *Store {
	s := &Store{
		path:    filePath(o.Dir),
		sync:    o.Sync,
		history: o.History,
		owner:   o.Owner,
		mine:    o.Mine,
		forget:  o.Forget,
		log:     o.Log,
		clock:   time.Now,
		changed: make(chan struct{}),
		lost:    make(chan struct{}),
		ended:   make(chan struct{}),
	}
	if s.history <= 0 {
		s.history = DefaultHistory
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.index.init()
	s.journal.init()
	s.checkpoints.init()
	s.jobs.init()
	s.committing = make(chan struct{}, 1)
	s.cursors.init()
	s.resident.init()
	return s
}

// Close commits what waits, ends all cursors, brings the file up to date, so
// that there is no journal beside it, marks it as ended cleanly and closes it.
// Updates that come later fail with resource.Unavailable. A second Close does
// nothing.
func (s *Store) Close() error {
	if !s.jobs.close() {
		<-s.checkpoints.ended
		return nil
	}
	<-s.ended
	close(s.checkpoints.stop)
	<-s.checkpoints.ended
	s.cursors.close()
	s.resident.close()
	err := s.finish()
	if broken := s.brokenBy(); broken != nil {
		s.abandon(broken)
		return nil // every update since has said so
	}
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// Path is the file.
func (s *Store) Path() string { return s.path }

// Bytes is the size of file and journal.
func (s *Store) Bytes() int64 {
	return s.fileBytes() + s.memory.size()
}

// fileBytes is 0 if it cannot be told.
func (s *Store) fileBytes() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Err is why commits fail at present: nil again after the next success. While
// commits fail the store tries again by itself every few seconds, unless it is
// [Store.Broken].
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.broken, s.err)
}

// Broken is closed when no commit will succeed any more in this process: the
// disk did not confirm one, so nobody knows what of it is there, or it did not
// give the pages that every transaction begins with. Err says why.
// What was answered is safe, and a new start reads what the disk has.
func (s *Store) Broken() <-chan struct{} { return s.lost }

// Revision is that of the last visible change that was committed.
func (s *Store) Revision() resource.Revision {
	return resource.Revision(s.visible.Load())
}

// OnCommit registers an observer. It is called on the committer goroutine after
// a commit is on disk and in the index, before its writers are answered, with
// all changes of the commit in their order, silent ones too. It must be quick
// and must not call Update. Register before the first Update.
func (s *Store) OnCommit(observer func([]Change)) {
	s.observers = append(s.observers, observer)
}

// Change is one change of one record.
type Change struct {
	Prev *Meta // nil: a new record
	Meta *Meta // nil: the record was removed
}

// Update has fn run on the committer goroutine, which may be the caller's, and
// what it staged committed. It returns nil once that is durable. If fn returns an error or panics, its
// changes are discarded and Update returns that error; others in the same
// commit are not harmed. If ctx ends before fn was started, fn never runs;
// once it has started, Update waits for the outcome whatever ctx does.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("update store: %w", err)
	}
	answer := make(chan error, 1)
	j := &job{fn: fn, done: func(err error) { answer <- err }}
	if err := s.jobs.add(j); err != nil {
		return err
	}
	s.commitOrWake()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	if j.cancel() {
		return fmt.Errorf("update store: %w", ctx.Err())
	}
	return <-answer
}

// UpdateSoon is Update for marks that may wait: they are committed with the
// next Update, or after at most 5 ms. It never blocks. done, which may be nil,
// is called on the committer goroutine with what Update would have returned;
// for a closed store on the caller's, before UpdateSoon returns.
func (s *Store) UpdateSoon(fn func(*Tx) error, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	if err := s.jobs.add(&job{fn: fn, done: done, soon: true}); err != nil {
		done(err)
	}
}

// Changed is closed by the next commit with visible changes. Take it before
// asking for Changes, so that none is missed in between.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
