package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The parts of a key are joined by a byte that none of them can hold and that
// sorts before all others: so the order of the bytes is that of the parts.
const separator = "\x00"

// maxName bounds keys and names of settings, well below what bbolt takes: one
// that is refused there would fail the whole commit.
const maxName = 4096

// encodeKey is the key on disk: data type, cluster, source, id.
func encodeKey(k resource.Key) []byte {
	b := make([]byte, 0, len(k.DataType)+len(k.Cluster)+len(k.Source)+len(k.ID)+3)
	b = append(append(b, k.DataType...), separator...)
	b = append(append(b, k.Cluster...), separator...)
	b = append(append(b, k.Source...), separator...)
	return append(b, k.ID...)
}

// compareKeys orders keys as their bytes on disk are.
func compareKeys(a, b resource.Key) int {
	return cmp.Or(cmp.Compare(a.DataType, b.DataType), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// decodeKey is the inverse of encodeKey.
func decodeKey(b []byte) (resource.Key, error) {
	parts := strings.Split(string(b), separator)
	if len(parts) != 4 {
		return resource.Key{}, fmt.Errorf("key %.400q has %d parts, not 4", b, len(parts))
	}
	return resource.Key{DataType: resource.DataType(parts[0]), Cluster: parts[1], Source: parts[2], ID: parts[3]}, nil
}

// checkKey refuses what encodeKey cannot tell apart. Whether the parts have
// the form that the API asks for is the caller's business.
func checkKey(k resource.Key) error {
	for _, part := range []string{string(k.DataType), k.Cluster, k.Source, k.ID} {
		if strings.Contains(part, separator) {
			return resource.Errorf(resource.InvalidArgument, "key %.400q must not hold a zero byte", k)
		}
	}
	if size := len(encodeKey(k)); k.ID == "" || size > maxName {
		return resource.Errorf(resource.InvalidArgument, "key %.400q must have an id and at most %d bytes, not %d", k, maxName, size)
	}
	return nil
}

// encodeRevision is the key of an entry of the history.
func encodeRevision(r resource.Revision) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(r))
}

func decodeRevision(b []byte) (resource.Revision, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("revision has %d bytes, not 8", len(b))
	}
	return resource.Revision(binary.BigEndian.Uint64(b)), nil
}

// Kind is what a visible change did. The words are those of a watch.
type Kind string

// The kinds.
const (
	Added    Kind = resource.WatchAdded
	Modified Kind = resource.WatchModified
	Deleted  Kind = resource.WatchDeleted
)

// LastSeen is what is known of a resource that was deleted.
type LastSeen struct {
	Version  int64             `json:"v,omitempty"`
	Created  resource.Revision `json:"c,omitzero"`  // Meta.CreatedRevision
	Born     time.Time         `json:"tb,omitzero"` // Meta.BornTime
	Deleting time.Time         `json:"td,omitzero"`
	Alias    string            `json:"a,omitempty"` // Meta.Alias
	Metadata []byte            `json:"m,omitempty"`
}

// logLine is one entry of the history as it is kept.
type logLine struct {
	revision resource.Revision
	kind     Kind
	key      resource.Key
	last     *LastSeen // of Deleted
}

var kindBytes = map[Kind]byte{Added: 'A', Modified: 'M', Deleted: 'D'}

// encodeLine is the value of an entry: kind, length of the key, key, and of a
// deletion what was last seen.
func encodeLine(l logLine) ([]byte, error) {
	key := encodeKey(l.key)
	b := binary.AppendUvarint([]byte{kindBytes[l.kind]}, uint64(len(key)))
	b = append(b, key...)
	if l.last == nil {
		return b, nil
	}
	last, err := json.Marshal(l.last)
	if err != nil {
		return nil, fmt.Errorf("encode history of %s: %w", l.key, err)
	}
	return append(b, last...), nil
}

func decodeLine(name, value []byte) (logLine, error) {
	l, err := parseLine(name, value)
	if err != nil {
		return logLine{}, fmt.Errorf("history entry %x: %w", name, err)
	}
	return l, nil
}

func parseLine(name, value []byte) (l logLine, err error) {
	if l.revision, err = decodeRevision(name); err != nil {
		return l, err
	}
	if l.kind, value, err = cutKind(value); err != nil {
		return l, err
	}
	key, rest, err := cutBytes(value)
	if err != nil {
		return l, err
	}
	if l.key, err = decodeKey(key); err != nil {
		return l, err
	}
	if l.kind == Deleted {
		l.last = new(LastSeen)
		err = json.Unmarshal(rest, l.last)
	}
	return l, err
}

func cutKind(b []byte) (Kind, []byte, error) {
	for kind, c := range kindBytes {
		if bytes.HasPrefix(b, []byte{c}) {
			return kind, b[1:], nil
		}
	}
	return "", nil, fmt.Errorf("unknown kind in %d bytes", len(b))
}

func cutBytes(b []byte) (field, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, fmt.Errorf("cut short at %d bytes", len(b))
	}
	b = b[size:]
	return b[:n], b[n:], nil
}
