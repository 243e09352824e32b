package proxy

import (
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// receive takes a status (docs/protocol.md, "Rules of order").
func (s *source) receive(tx *store.Tx, e *event.Event) (outcome, error) {
	m := tx.Meta(s.key(e))
	deleted := event.IsDeleted(e.Payload.Data)
	switch {
	case m == nil:
		return outcome{drop: dropUnknown}, nil
	case !m.Visible():
		return s.afterlife(tx, *m, deleted), nil
	case deleted && !m.Deleting.IsZero():
		held, err := s.held(tx, m)
		switch {
		case err != nil:
			return outcome{}, err
		case held:
			s.hold(tx, *m)
		default:
			s.forget(tx, *m, tx.Now())
		}
		return outcome{news: true}, nil
	case e.ResourceVersion != 0 && e.ResourceVersion < m.BornVersion:
		return outcome{drop: dropAnotherLife}, nil
	case deleted: // the agent dropped what we still want
		s.raiseOrLater(tx, *m)
		return outcome{news: true}, nil
	case e.ResourceVersion > m.Version, e.ResourceVersion == m.Version && !s.given(m):
		s.ahead(tx, *m, e.ResourceVersion)
		return outcome{news: true}, nil
	}
	return s.status(tx, *m, e)
}

// afterlife handles a status about what was deleted here.
func (s *source) afterlife(tx *store.Tx, m store.Meta, deleted bool) outcome {
	switch {
	case deleted && m.Confirmed.IsZero():
		m.Confirmed = tx.Now()
		m.Out.Pending, m.Out.Confirmed, m.Out.Left = false, true, false
		tx.Put(m, store.Write{})
		return outcome{news: true}
	case deleted || m.Out.Pending || within(toldAgain, m.Out.PublishedAt, tx.Now()):
		return outcome{drop: dropUnknown}
	}
	m.Out.Pending, m.Out.Dirty = true, tx.TakeRevision()
	tx.Put(m, store.Write{})
	return outcome{drop: dropUnknown}
}

// toldAgain is the least time between two deletes for an agent that goes on
// speaking of what was deleted.
const toldAgain = time.Minute

// status stores a status that is newer than the one held.
func (s *source) status(tx *store.Tx, m store.Meta, e *event.Event) (outcome, error) {
	sequence, drop := s.sequence(&m, e)
	if drop != "" {
		return outcome{drop: drop}, nil
	}
	rec, err := tx.Record(m.Key)
	if err != nil {
		return outcome{}, err
	}
	same := m.HasStatus && event.Equal(rec.Status, e.Payload.Data)
	if same && m.StatusVersion == e.ResourceVersion {
		s.repeated(tx, m, sequence)
		return outcome{}, nil
	}
	m.SequenceID, m.StatusVersion, m.HasStatus = sequence, e.ResourceVersion, true
	m.StatusHash = hashOf(e)
	s.observe(tx, &m)
	queued(tx, &m, reasonStatus)
	w := store.Write{Visible: true}
	if !same {
		w.Status = &e.Payload.Data
	}
	tx.Put(m, w)
	return outcome{news: true}, nil
}

// repeated takes a status that is held already: it shows that the agent has the
// version that it is about, still or again.
func (s *source) repeated(tx *store.Tx, m store.Meta, sequence int64) {
	shown := m.StatusVersion == m.Version && m.Deleting.IsZero() && !m.Out.Confirmed
	if sequence == m.SequenceID && !shown {
		return
	}
	m.SequenceID = sequence
	told := shown && m.Out.Error != ""
	if shown {
		m.Out.Confirmed, m.Out.NoSubscribers, m.Out.Error = true, false, ""
	}
	tx.Put(m, store.Write{Visible: told})
}

// observe notes that the agent has shown the version held.
func (s *source) observe(tx *store.Tx, m *store.Meta) {
	if m.StatusVersion != m.Version || !m.Deleting.IsZero() {
		return
	}
	m.Out.ObservedAt = tx.Now()
	m.Out.Pending, m.Out.Confirmed, m.Out.NoSubscribers, m.Out.Error = false, true, false, ""
	if m.Out.PublishedVersion != m.Version { // the status overtook the broker's acknowledgement
		m.Out.PublishedVersion, m.Out.PublishedAt = m.Version, tx.Now()
	}
}

// sequence is the sequence id of an event, or why the event is dropped.
func (s *source) sequence(m *store.Meta, e *event.Event) (id int64, drop string) {
	if e.SequenceID == "" {
		return m.SequenceID, ""
	}
	id, err := event.ParseSequence(e.SequenceID)
	if err != nil {
		return 0, dropSequence
	}
	newer, err := event.SequenceNewer(id, m.SequenceID)
	switch {
	case err != nil:
		return 0, dropSequence
	case !newer:
		return 0, dropStale
	}
	return id, ""
}

func hashOf(e *event.Event) string {
	if e.StatusHash != "" {
		return e.StatusHash
	}
	canonical, ordered, _ := hashesOf(e.Type.DataType, e.Payload.Data) // an object: screened
	if isWork(e.Type.DataType) {
		return ordered
	}
	return canonical
}

// Limits of raising over a version that is ahead of ours: once a minute, three
// times an hour, and never so high that agents could not follow.
const (
	raiseEvery  = time.Minute
	raiseWindow = time.Hour
	mostRaises  = 3
	raiseEnd    = 2147482647
)

// given tells whether an agent can have the version held from this store. One
// that was declared in this run and not yet handed to a session cannot have come
// from here: an agent that speaks of it holds what a store gave that was lost,
// or put back from a backup, and maybe with another spec.
func (s *source) given(m *store.Meta) bool {
	return !m.Out.Pending || m.Out.Dirty <= s.began || s.outbox.wasHanded(m.Key, m.Out.Dirty)
}

// ahead handles an agent that holds a version that was never given here: a
// store put back from a backup, or a second writer. Its status is not taken;
// our version is raised over it.
func (s *source) ahead(tx *store.Tx, m store.Meta, version int64) {
	if !m.Deleting.IsZero() {
		return // a delete is taken whatever its version
	}
	recent := recentRaises(tx, m)
	switch {
	case len(recent) >= mostRaises || version >= raiseEnd:
		if m.Out.Error != anotherWriter {
			m.Out.Error = anotherWriter
			tx.Put(m, store.Write{Visible: true})
		}
	case len(recent) == 0 || tx.Now().Sub(time.Unix(recent[len(recent)-1], 0)) >= raiseEvery:
		s.raise(tx, m, version)
	} // within the minute: the next resync tells again
}

const anotherWriter = "another writer: the agent holds a higher version of this resource than this source ever gave; see that no second source uses the same id"

func recentRaises(tx *store.Tx, m store.Meta) []int64 {
	recent := make([]int64, 0, mostRaises)
	for _, at := range m.Out.Raises {
		if within(raiseWindow, time.Unix(at, 0), tx.Now()) {
			recent = append(recent, at)
		}
	}
	return recent
}

// within tells whether a time that was stored is less than so long ago. One that
// is still to come was stored before the clock was set back: how long ago that
// was nobody knows, and nothing waits until the clock is there again.
func within(long time.Duration, stored, now time.Time) bool {
	ago := now.Sub(stored)
	return ago >= 0 && ago < long
}

// raise gives a resource the version after over, and owes it to the agent.
func (s *source) raise(tx *store.Tx, m store.Meta, over int64) {
	m.Version = over + 1
	m.Out.Raises = append(recentRaises(tx, m), tx.Now().Unix())
	s.owe(tx, &m)
	tx.Put(m, store.Write{Visible: true})
	s.log.Info("raised the version over the agent's", "key", m.Key.String(), "version", m.Version)
}

// raiseOrLater raises now, or when the limits allow it.
func (s *source) raiseOrLater(tx *store.Tx, m store.Meta) {
	if m.Version >= resource.MaxVersion {
		return
	}
	wait := raiseWait(tx, m)
	if wait <= 0 {
		s.raise(tx, m, m.Version)
		return
	}
	m.Out.Confirmed = false // whatever was shown before: after a restart it is sent again
	tx.Put(m, store.Write{})
	s.outbox.after(m.Key, reason{raise: true}, time.Now().Add(wait))
}

// raiseWait is how long the limits forbid another raise.
func raiseWait(tx *store.Tx, m store.Meta) time.Duration {
	recent := recentRaises(tx, m)
	if len(recent) == 0 {
		return 0
	}
	wait := raiseEvery
	if len(recent) >= mostRaises {
		wait = raiseWindow / mostRaises
	}
	return wait - tx.Now().Sub(time.Unix(recent[len(recent)-1], 0))
}
