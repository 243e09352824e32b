package harness

import (
	"bytes"
	"slices"
	"testing"
)

// stream is a SUBACK, a PUBLISH of 200 bytes and a PINGRESP.
func stream() []byte {
	publish := append([]byte{0x30, 0xc8, 0x01}, bytes.Repeat([]byte{0x90}, 200)...)
	return slices.Concat([]byte{0x90, 4, 0, 1, 0, 0}, publish, []byte{0xd0, 0})
}

func TestFramesInPieces(t *testing.T) {
	whole := stream()
	for size := 1; size <= len(whole); size++ {
		var types []byte
		f := &frames{each: func(packetType byte) { types = append(types, packetType) }}
		for piece := range slices.Chunk(whole, size) {
			if n, err := f.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		if want := []byte{9, 3, 13}; !slices.Equal(types, want) {
			t.Errorf("in pieces of %d: %v, want %v", size, types, want)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(stream())
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		count := 0
		w := &frames{each: func(byte) { count++ }}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if count > len(data)/2 {
			t.Errorf("%d packets in %d bytes", count, len(data))
		}
	})
}
