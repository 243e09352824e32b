package workapi

import (
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Split is split, as names and values.
func Split(object []byte) (names, values []string, ok bool) {
	members, ok := split(make([]member, 0, 8), object)
	for _, m := range members {
		names, values = append(names, string(m.name)), append(values, string(m.value))
	}
	return names, values, ok
}

// Raw is appendRaw of a record whose status is readable.
func Raw(role resource.Role, rec *store.Record, name string) (work []byte, ok bool) {
	if rec.HasStatus {
		if _, err := decodeStatus(rec.Key.DataType, rec.Status); err != nil {
			return nil, false
		}
	}
	return appendRaw(nil, codec{role}, rec, name)
}

// Work is codec.work.
func Work(role resource.Role, rec *store.Record, name string) *workv1.ManifestWork {
	return codec{role}.work(rec, name)
}
