package workapi

import (
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// change is a change of one work, as all watchers see it.
type change struct {
	revision resource.Revision
	kind     watch.EventType
	place
	labels labels.Set
	before labels.Set        // of the state before, nil if there was none
	was    resource.Revision // of that state
	forgot bool              // nobody knows the labels of the state before
	object *shared
}

// The bounds of the changes that are kept in memory for watchers that lag. Who
// lags more reads the history in the store.
const (
	ringChanges    = 4096
	ringBytes      = 16 << 20
	changeOverhead = 1 << 10
)

// sizeOf counts a work as it is held, and once encoded.
func sizeOf(rec *store.Record) int64 {
	return int64(2*(len(rec.Spec)+len(rec.Status)+len(rec.Metadata)+len(rec.Local))) + changeOverhead
}

// ring holds the last changes, in the order of their revisions.
type ring struct {
	floor   resource.Revision // every change after it is here
	changes []change
	bytes   int64
}

func (r *ring) reset(floor resource.Revision) { *r = ring{floor: floor} }

func (r *ring) add(c change) {
	r.changes = append(r.changes, c)
	r.bytes += c.object.size
	if len(r.changes) > ringChanges || r.bytes > ringBytes {
		r.shrink()
	}
}

// shrink drops a quarter, so that dropping costs little for each change.
func (r *ring) shrink() {
	drop := 0
	for len(r.changes)-drop > 1 && (len(r.changes)-drop > ringChanges*3/4 || r.bytes > ringBytes*3/4) {
		r.bytes -= r.changes[drop].object.size
		r.floor = r.changes[drop].revision
		drop++
	}
	r.changes = slices.Delete(r.changes, 0, drop)
}

// after copies the changes after a revision, at most most; false if some of them
// are not here any more.
func (r *ring) after(since resource.Revision, most int) ([]change, bool) {
	if since < r.floor {
		return nil, false
	}
	at := sort.Search(len(r.changes), func(i int) bool { return r.changes[i].revision > since })
	return slices.Clone(r.changes[at:min(at+most, len(r.changes))]), true
}
