package proxy

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"maps"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// tally has the deletes of ids unknown here that were told within an hour: the
// hash of the key, and when, in Unix seconds. To tell one again is no other
// delete. It is kept in the store: a sidecar that is started again and again
// does not begin to count anew.
type tally map[string]int64

const (
	tallySetting = "deletesTold"
	tallyWindow  = time.Hour
	mostTallied  = 100000 // from there on resync.maxDeletes is no limit
)

// readTally reads what keep has written.
func readTally(s *store.Store) tally {
	t := tally{}
	if data := s.Setting(tallySetting); len(data) > 0 {
		_ = json.Unmarshal(data, &t) // written by keep only
	}
	t.notAfter(time.Now())
	return t
}

// notAfter is for times that are to come, which were noted before the clock was
// set back: they count from now.
func (t tally) notAfter(now time.Time) {
	for name, at := range t {
		t[name] = min(at, now.Unix())
	}
}

func tallyName(k resource.Key) string {
	h := fnv.New64a()
	for _, part := range []string{string(k.DataType), k.Source, k.Cluster, k.ID} {
		_, _ = h.Write([]byte(part + "\x00")) // never fails
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// with is the tally with these ids, of which some may be in it already, and
// without what is older than the window.
func (t tally) with(group resource.Group, ids []event.ResourceVersion) tally {
	now := time.Now()
	since := now.Add(-tallyWindow).Unix()
	t.notAfter(now)
	sum := maps.Clone(t)
	maps.DeleteFunc(sum, func(_ string, at int64) bool { return at < since })
	for _, r := range ids {
		name := tallyName(group.Key(r.ResourceID))
		if _, again := sum[name]; !again && len(sum) < mostTallied {
			sum[name] = now.Unix()
		}
	}
	return sum
}

// keep makes it durable.
func (t tally) keep(ctx context.Context, s *store.Store) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		tx.SetSetting(tallySetting, data)
		return nil
	})
}
