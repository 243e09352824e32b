package store_test

import (
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

func TestWhatWasWrittenIsThereAfterAReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, key("a"), 1, "one")
	put(t, s, key("b"), 1, "two")
	put(t, s, key("a"), 2, "one more")
	update(t, s, func(tx *store.Tx) { bury(tx, key("b")) })
	revision, meta := s.Revision(), *s.Meta(key("a"))
	closeStore(t, s)

	s = open(t, dir)
	if got := s.Revision(); got != revision {
		t.Errorf("revision is %d, was %d", got, revision)
	}
	if got := spec(t, s, key("a")); got != "one more" {
		t.Errorf("spec is %q", got)
	}
	if got := s.Meta(key("a")); got.Version != 2 || got.Revision != meta.Revision || got.CreatedRevision != meta.CreatedRevision {
		t.Errorf("meta is %+v, was %+v", got, meta)
	}
	if got := s.Meta(key("b")); got == nil || got.Visible() {
		t.Errorf("b is no tombstone: %+v", got)
	}
	if got := put(t, s, key("c"), 1, "three"); got.Revision != revision+1 {
		t.Errorf("next revision is %d, want %d", got.Revision, revision+1)
	}
	_, err := s.Get(key("x"))
	wantCode(t, err, resource.NotFound)
}
