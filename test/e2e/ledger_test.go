//go:build e2e

package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// ledger is what one app has been shown, and what was wrong with it. It
// outlives the sidecar: to an app, a restart takes nothing back.
type ledger struct {
	app string

	mu      sync.Mutex
	life    int                    // of the sidecar's process: leases end with it
	held    map[resource.Key]int   // key leased by us, and in which life
	version map[resource.Key]int64 // highest that a lease has shown
	watched map[resource.Key]int64 // highest that a watch has shown
	faults  []string
}

func newLedger(app string) *ledger {
	return &ledger{app: app, held: map[resource.Key]int{}, version: map[resource.Key]int64{}, watched: map[resource.Key]int64{}}
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(format, args...)
}

func (l *ledger) faultLocked(format string, args ...any) {
	l.faults = append(l.faults, l.app+": "+fmt.Sprintf(format, args...))
}

// currentLife is to be read before a lease is asked for.
func (l *ledger) currentLife() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.life
}

// restarted begins a new life: no lease of the old one counts any more.
func (l *ledger) restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
	clear(l.held)
}

// leased notes what was leased in that life; false if the life is over, and
// with it the lease.
func (l *ledger) leased(item resource.LeaseItem, life int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if life != l.life {
		return false
	}
	if _, twice := l.held[item.Key]; twice {
		l.faultLocked("%s was leased twice at a time", item.Key.ID)
	}
	l.held[item.Key] = life
	if item.Object == nil {
		delete(l.version, item.Key) // its life is over
		return true
	}
	l.riseLocked(l.version, item.Object, "a lease")
	return true
}

// answering ends a lease, before the answer is sent: the sidecar may hand the
// key out again as soon as it has the answer.
func (l *ledger) answering(key resource.Key, life int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] == life {
		delete(l.held, key)
	}
}

func (l *ledger) saw(e resource.WatchEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Resource == nil:
	case e.Type == resource.WatchDeleted:
		delete(l.watched, e.Resource.Key)
	default:
		l.riseLocked(l.watched, e.Resource, "a watch")
	}
}

func (l *ledger) riseLocked(seen map[resource.Key]int64, r *resource.Resource, by string) {
	if r.Version < seen[r.Key] {
		l.faultLocked("%s went from version %d to %d in %s", r.ID, seen[r.Key], r.Version, by)
	}
	seen[r.Key] = r.Version
}

// forget is for an app whose sidecar was put back to an earlier time.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.version)
	clear(l.watched)
}

// all is every fault so far.
func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.faults...)
}

// digest is a hash of a spec whatever its spaces.
func digest(spec []byte) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, spec); err != nil {
		return "not JSON: " + err.Error()
	}
	sum := sha256.Sum256(compact.Bytes())
	return hex.EncodeToString(sum[:8])
}

// report is the status that the agent's app gives.
type report struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
}
