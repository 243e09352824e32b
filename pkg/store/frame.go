package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// A frame is one commit in the journal: its number, the length of its body, a
// checksum, and the body. Numbers go on from segment to segment without a gap.
// The checksum begins with the salt of the segment, so that no bytes that an
// app has written can pass for a frame.
const (
	frameHeader  = 8 + 4 + 4
	maxFrameBody = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealFrame fills in the header in front of a body.
func sealFrame(frame []byte, salt, number uint64) {
	body := frame[frameHeader:]
	binary.BigEndian.PutUint64(frame, number)
	binary.BigEndian.PutUint32(frame[8:], uint32(len(body)))
	binary.BigEndian.PutUint32(frame[12:], frameSum(frame, body, salt))
}

func frameSum(header, body []byte, salt uint64) uint32 {
	sum := crc32.Checksum(binary.BigEndian.AppendUint64(nil, salt), castagnoli)
	sum = crc32.Update(sum, castagnoli, header[:12])
	return crc32.Update(sum, castagnoli, body)
}

// cutFrame returns the body of the frame with that number at the start of b;
// false if there is none, or not all of it.
func cutFrame(b []byte, salt, number uint64) (body, rest []byte, ok bool) {
	if len(b) < frameHeader || binary.BigEndian.Uint64(b) != number {
		return nil, nil, false
	}
	size := uint64(binary.BigEndian.Uint32(b[8:]))
	if size > uint64(len(b)-frameHeader) {
		return nil, nil, false
	}
	header, body, rest := b[:frameHeader], b[frameHeader:][:size], b[frameHeader+size:]
	return body, rest, binary.BigEndian.Uint32(header[12:]) == frameSum(header, body, salt)
}

// encodeFrame appends a frame with room for its header to buf, which must be
// empty.
func encodeFrame(buf []byte, c *contents, st *state) ([]byte, error) {
	buf = append(buf, make([]byte, frameHeader)...)
	buf = appendState(buf, st)
	buf = appendRecords(buf, c.records)
	buf, err := appendLines(buf, c.lines)
	if err != nil {
		return nil, err
	}
	buf = appendSettings(buf, c.settings)
	if size := len(buf) - frameHeader; size > maxFrameBody {
		return nil, resource.Errorf(resource.TooLarge, "a commit of %d bytes is more than the %d that the store takes at once", size, maxFrameBody)
	}
	return buf, nil
}

func appendState(b []byte, st *state) []byte {
	for _, n := range []uint64{uint64(st.Head), uint64(st.Visible), uint64(st.Floor), uint64(st.HeadCeiling), uint64(st.SequenceCeiling)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func appendField(b, field []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

// appendRecords writes of each record its key, its Meta (empty: removed), which
// payloads change, and those.
func appendRecords(b []byte, records map[resource.Key]*staged) []byte {
	b = binary.AppendUvarint(b, uint64(len(records)))
	for key, st := range records {
		b = appendField(b, encodeKey(key))
		b = appendField(b, st.encoded)
		b = append(b, st.payloads.mask())
		for _, change := range st.payloads {
			if change != nil {
				b = appendField(b, *change)
			}
		}
	}
	return b
}

// mask has a bit for each payload that changes.
func (p *payloads) mask() (mask byte) {
	for kind, change := range p {
		if change != nil {
			mask |= 1 << kind
		}
	}
	return mask
}

func appendLines(b []byte, lines []logLine) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(lines)))
	for _, line := range lines {
		value, err := encodeLine(line)
		if err != nil {
			return nil, err
		}
		b = appendField(append(b, encodeRevision(line.revision)...), value)
	}
	return b, nil
}

// appendSettings keeps an empty value apart from none.
func appendSettings(b []byte, settings map[string][]byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(settings)))
	for name, value := range settings {
		b = appendField(b, []byte(name))
		if value == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = appendField(b, value)
	}
	return b
}

// body reads the body of a frame. After its first fault it gives nothing.
type body struct {
	b   []byte
	err error
}

var errShort = errors.New("cut short")

// decodeFrame reads a body into c and st. The slices of c are parts of b. The
// Metas are not decoded.
func decodeFrame(b []byte, st *state) (contents, error) {
	r, c := &body{b: b}, contents{}
	r.state(st)
	for range r.count() {
		r.record(&c)
	}
	for range r.count() {
		c.lines = append(c.lines, r.line())
	}
	for range r.count() {
		r.setting(&c)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	return c, r.err
}

func (r *body) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *body) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count is a number of things of which each takes at least a byte.
func (r *body) count() uint64 {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail(errShort)
		return 0
	}
	return n
}

func (r *body) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail(errShort)
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *body) field() []byte { return r.take(r.number()) }

func (r *body) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *body) state(st *state) {
	st.Head, st.Visible, st.Floor = resource.Revision(r.number()), resource.Revision(r.number()), resource.Revision(r.number())
	st.HeadCeiling, st.SequenceCeiling = resource.Revision(r.number()), int64(r.number())
}

func (r *body) record(into *contents) {
	key, err := decodeKey(r.field())
	if r.err == nil && err != nil {
		r.fail(err)
	}
	st := &staged{encoded: r.field()}
	mask := r.byte()
	if mask >= 1<<payloadKinds {
		r.fail(fmt.Errorf("unknown payloads %b of %s", mask, key))
	}
	for kind := range st.payloads {
		if mask&(1<<kind) != 0 {
			value := r.field()
			st.payloads[kind] = &value
		}
	}
	if r.err == nil {
		into.putRecord(key, st)
	}
}

func (r *body) line() logLine {
	name := r.take(8)
	value := r.field()
	if r.err != nil {
		return logLine{}
	}
	line, err := decodeLine(name, value)
	if err != nil {
		r.fail(err)
	}
	return line
}

func (r *body) setting(into *contents) {
	name := string(r.field())
	var value []byte
	if r.byte() != 0 {
		value = append([]byte{}, r.field()...)
	}
	if r.err == nil {
		into.set(name, value)
	}
}
