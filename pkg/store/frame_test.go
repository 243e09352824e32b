package store_test

import (
	"bytes"
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
	f.Add(bytes.Join(store.SampleJournal(3), nil), uint8(0))
	f.Add([]byte{}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint8) { store.ScanJournal(b, uint64(at)) })
}

// FuzzDamagedJournal changes bytes of a journal, and cuts it off: what is read
// of it are the frames before the first that is not as it was, and those behind
// are found.
func FuzzDamagedJournal(f *testing.F) {
	frames := store.SampleJournal(8)
	whole := bytes.Join(frames, nil)
	for _, at := range []uint16{0, 8, 12, 16, 100, 200} {
		f.Add(at, byte(1), at+1, byte(0x80), uint16(len(whole))-at)
	}
	f.Fuzz(func(t *testing.T, at1 uint16, b1 byte, at2 uint16, b2 byte, cut uint16) {
		damaged := bytes.Clone(whole)
		damaged[int(at1)%len(whole)] ^= b1
		damaged[int(at2)%len(whole)] ^= b2
		damaged = damaged[:int(cut)%(len(whole)+1)]
		good, later, end := 0, false, 0
		for i, frame := range frames {
			begin := end
			end += len(frame)
			switch same := end <= len(damaged) && bytes.Equal(damaged[begin:end], frame); {
			case same && good == i:
				good++
			case same:
				later = true
			}
		}
		if read, found := store.ScanJournal(damaged, 0); read != good || found != later {
			t.Errorf("read %d frames and found later ones: %v, want %d and %v", read, found, good, later)
		}
	})
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
