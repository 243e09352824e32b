package store_test

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func TestKeysSortAsTheirPartsDo(t *testing.T) {
	var keys []resource.Key
	for _, parts := range []string{"a b c d", "a b c d-", "a b c- d", "a b- c d", "a- b c d", "a b c dé", "a b ca d", "b a a a"} {
		p := strings.Fields(parts)
		keys = append(keys, resource.Key{DataType: resource.DataType(p[0]), Cluster: p[1], Source: p[2], ID: p[3]})
	}
	byBytes := func(a, b resource.Key) int { return bytes.Compare(store.EncodeKey(a), store.EncodeKey(b)) }
	byParts := func(a, b resource.Key) int {
		return cmp.Or(cmp.Compare(a.DataType, b.DataType), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	}
	if got, want := slices.SortedFunc(slices.Values(keys), byBytes), slices.SortedFunc(slices.Values(keys), byParts); !slices.Equal(got, want) {
		t.Errorf("by bytes %v, by parts %v", got, want)
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(store.EncodeKey(key("dev-1")))
	f.Add([]byte("a\x00b\x00c"))
	f.Add([]byte("a\x00b\x00c\x00d\x00e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := store.DecodeKey(b)
		if err == nil && !bytes.Equal(store.EncodeKey(k), b) {
			t.Errorf("%q was read as %v", b, k)
		}
	})
}

func FuzzDecodeHistory(f *testing.F) {
	name := []byte{0, 1, 2, 3, 4, 5, 6, 7}
	k := store.EncodeKey(key("dev-1"))
	line := slices.Concat([]byte{'D', byte(len(k))}, k)
	f.Add(name, line)
	f.Add(name, append(line, `{"v":3,"td":"2026-11-21T10:00:00Z","m":"e30="}`...))
	f.Add(name, []byte("A\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"))
	f.Add(name[:7], []byte("M"))
	f.Add(name, []byte{})
	f.Fuzz(func(t *testing.T, name, value []byte) {
		name1, value1, err := store.Recode(name, value)
		if err != nil {
			return
		}
		if !bytes.Equal(name1, name) {
			t.Errorf("revision %x became %x", name, name1)
		}
		if _, value2, err := store.Recode(name1, value1); err != nil || !bytes.Equal(value1, value2) {
			t.Errorf("%q became %q, then %q: %v", value, value1, value2, err)
		}
	})
}

func FuzzDecodeToken(f *testing.F) {
	f.Add("ABC.ZGV2LTE")
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		id, from, err := store.DecodeToken(token)
		if err != nil {
			wantCode(t, err, resource.Expired)
			return
		}
		if len(from) == 0 || !strings.HasPrefix(token, id+".") {
			t.Errorf("%q was read as %q and %q", token, id, from)
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	full := everything()
	f.Add(store.EncodeMeta(&full))
	f.Add(store.EncodeMeta(&store.Meta{Revision: 1<<64 - 1, Next: &store.NextSpec{}}))
	f.Add([]byte("\xea\x01\x01\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := store.RecodeMeta(key("dev-1"), b)
		if err != nil {
			return
		}
		if third, err := store.RecodeMeta(key("dev-1"), again); err != nil || !bytes.Equal(again, third) {
			t.Errorf("%q became %q, then %q: %v", b, again, third, err)
		}
	})
}

// Every field of the types that are encoded is in a walk.
func TestEveryFieldOfMetaIsEncoded(t *testing.T) {
	full := everything()
	full.Gone, full.Revision, full.SpecRevision, full.CreatedRevision, full.ObjectRevision = full.Deleting, 1, 2, 3, 4
	wantNoZero(t, reflect.ValueOf(full), "Meta")
	b, err := store.RecodeMeta(full.Key, store.EncodeMeta(&full))
	if err != nil || !bytes.Equal(b, store.EncodeMeta(&full)) {
		t.Fatalf("encoded again it is another: %v", err)
	}
	if got := store.DecodeMeta(t, full.Key, b); !reflect.DeepEqual(got, &full) {
		t.Errorf("decoded %+v, want %+v", got, &full)
	}
}

// wantNoZero fails for a field that is not set.
func wantNoZero(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch {
	case v.IsZero():
		t.Errorf("%s is not set: set it, so that it is tested", name)
	case v.Kind() == reflect.Pointer:
		wantNoZero(t, v.Elem(), name)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			wantNoZero(t, v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	}
}
