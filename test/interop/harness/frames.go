package harness

import "bytes"

// frames cuts a stream of MQTT control packets and tells the type of each.
type frames struct {
	each    func(packetType byte)
	pending bytes.Buffer
}

// Write takes the next bytes of the stream; it never fails.
func (f *frames) Write(p []byte) (int, error) {
	f.pending.Write(p)
	for {
		size, ok := frameSize(f.pending.Bytes())
		if !ok || f.pending.Len() < size {
			return len(p), nil
		}
		f.each(f.pending.Next(size)[0] >> 4)
	}
}

// frameSize is the size in bytes of the packet that begins at b; ok is false
// until its fixed header (MQTT 5, 2.1.4) is complete.
func frameSize(b []byte) (size int, ok bool) {
	length := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		length |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return 1 + i + length, true
		}
	}
	return 0, false
}
