package store_test

import (
	"encoding/binary"
	"testing"
	"time"

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

// What a kill leaves of a large commit may look like the beginnings of many
// large frames. Only the numbers that can be there are looked into: a number
// for each frame that would have room.
func TestATornEndIsReadOnce(t *testing.T) {
	b := make([]byte, 1<<20)
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], 0x00040004)
	}
	start := time.Now()
	if store.LaterFrame(b, 5) {
		t.Error("there is no frame")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s to see that", took)
	}
}
