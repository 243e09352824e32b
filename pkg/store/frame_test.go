package store_test

import (
	"testing"

	"github.com/pillion-dev/pillion/pkg/store"
)

func FuzzDecodeFrame(f *testing.F) {
	f.Add(store.SampleFrame())
	f.Add([]byte{1, 1, 1, 1, 1, 0, 0, 0})
	f.Add([]byte{1, 1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok := store.RecodeFrame(b)
		if !ok {
			return
		}
		if third, ok := store.RecodeFrame(again); !ok || len(third) != len(again) {
			t.Errorf("%q became %q, then %q", b, again, third)
		}
	})
}

func FuzzReadJournal(f *testing.F) {
	f.Add(store.SampleJournal(), uint8(0))
	f.Add([]byte{}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint8) { store.ScanJournal(b, uint64(at)) })
}
