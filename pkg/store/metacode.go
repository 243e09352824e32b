package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// A Meta on disk is a protocol buffer message without a schema file: the walks
// below are the schema. A field that is zero is left out, one that is not known
// is passed over, and a number is never used for anything else again.

// maxField is above all field numbers.
const maxField = 64

func (m *Meta) walk(c *codec) {
	integer(c, 1, &m.Version)
	integer(c, 2, &m.Revision)
	integer(c, 3, &m.SpecRevision)
	integer(c, 4, &m.CreatedRevision)
	c.text(5, &m.ContentType)
	c.time(6, &m.SpecTime)
	c.time(7, &m.BornTime)
	integer(c, 8, &m.BornVersion)
	c.time(9, &m.Deleting)
	c.time(10, &m.DeleteTime)
	c.time(11, &m.Gone)
	c.time(12, &m.Confirmed)
	integer(c, 13, &m.StatusVersion)
	integer(c, 14, &m.SequenceID)
	c.text(15, &m.StatusHash)
	c.text(16, &m.RawHash)
	c.flag(17, &m.HasStatus)
	integer(c, 18, &m.ObjectRevision)
	c.text(19, &m.Alias)
	m.Out.walk(c)
	m.Queue.walk(c)
	optional(c, 50, &m.Next, (*NextSpec).walk)
}

func (o *Outbox) walk(c *codec) {
	c.flag(20, &o.Pending)
	integer(c, 21, &o.Dirty)
	c.flag(22, &o.Left)
	c.flag(23, &o.Confirmed)
	c.flag(24, &o.NoSubscribers)
	integer(c, 25, &o.PublishedVersion)
	c.time(26, &o.PublishedAt)
	c.time(27, &o.ObservedAt)
	c.text(28, &o.Error)
	c.integers(29, &o.Raises)
}

func (q *Marks) walk(c *codec) {
	integer(c, 40, &q.Queued)
	integer(c, 41, &q.Done)
	c.texts(42, &q.Reasons)
	optional(c, 43, &q.Dead, (*Dead).walk)
}

func (d *Dead) walk(c *codec) {
	c.time(1, &d.At)
	integer(c, 2, &d.Attempts)
	c.text(3, &d.Error)
}

func (n *NextSpec) walk(c *codec) {
	integer(c, 1, &n.Version)
	c.time(2, &n.Time)
	c.text(3, &n.ContentType)
}

func encodeMeta(m *Meta) []byte {
	c := codec{writes: true, out: make([]byte, 0, 192)}
	m.walk(&c)
	return c.out
}

func decodeMeta(key resource.Key, b []byte) (*Meta, error) {
	c, m := codec{}, &Meta{Key: key}
	if err := c.parse(b); err != nil {
		return nil, fmt.Errorf("decode %s: %w", key, err)
	}
	m.walk(&c)
	if c.err != nil {
		return nil, fmt.Errorf("decode %s: %w", key, c.err)
	}
	tidy(m)
	return m, nil
}

// codec writes fields as a walk comes to them, or gives a walk those that were
// read before.
type codec struct {
	writes bool
	out    []byte

	read [maxField]value
	err  error // the first field that is not what its walk wants
}

// value is a field that was read. Of one that is repeated, as it is only in
// lists, the bytes of all.
type value struct {
	there  bool
	number uint64
	bytes  []byte
	more   [][]byte
}

// parse reads a message.
func (c *codec) parse(b []byte) error {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		size = protowire.ConsumeFieldValue(number, kind, b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if number < maxField {
			c.read[number].set(kind, b[:size])
		}
		b = b[size:]
	}
	return nil
}

func (v *value) set(kind protowire.Type, b []byte) {
	switch kind {
	case protowire.VarintType:
		v.number, _ = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		if v.there {
			v.more = append(v.more, v.bytes)
		}
		v.bytes, _ = protowire.ConsumeBytes(b)
	default:
		return // nothing here has such a field
	}
	v.there = true
}

// integer is a field of whole numbers, which are never negative here but may be
// of either kind.
func integer[T ~int | ~int64 | ~uint64](c *codec, n protowire.Number, to *T) {
	switch {
	case !c.writes:
		*to = T(c.read[n].number)
	case *to != 0:
		c.out = protowire.AppendVarint(protowire.AppendTag(c.out, n, protowire.VarintType), uint64(*to))
	}
}

func (c *codec) flag(n protowire.Number, to *bool) {
	set := protowire.EncodeBool(*to)
	integer(c, n, &set)
	*to = protowire.DecodeBool(set)
}

func (c *codec) appendBytes(n protowire.Number, b []byte) {
	c.out = protowire.AppendBytes(protowire.AppendTag(c.out, n, protowire.BytesType), b)
}

func (c *codec) text(n protowire.Number, to *string) {
	switch b := c.read[n].bytes; {
	case c.writes && *to != "":
		c.out = protowire.AppendString(protowire.AppendTag(c.out, n, protowire.BytesType), *to)
	case !c.writes && string(b) == resource.JSONContentType:
		*to = resource.JSONContentType // one for all
	case !c.writes:
		*to = string(b)
	}
}

// texts is a list; nothing if it is empty.
func (c *codec) texts(n protowire.Number, to *[]string) {
	if c.writes {
		for i := range *to {
			c.appendBytes(n, []byte((*to)[i]))
		}
		return
	}
	for _, b := range c.read[n].more {
		*to = append(*to, string(b))
	}
	if c.read[n].there {
		*to = append(*to, string(c.read[n].bytes))
	}
}

// integers is a packed list.
func (c *codec) integers(n protowire.Number, to *[]int64) {
	if c.writes {
		var packed []byte
		for _, number := range *to {
			packed = protowire.AppendVarint(packed, uint64(number))
		}
		if len(packed) > 0 {
			c.appendBytes(n, packed)
		}
		return
	}
	for b := c.read[n].bytes; len(b) > 0; {
		number, size := protowire.ConsumeVarint(b)
		if size < 0 {
			c.err = protowire.ParseError(size)
			return
		}
		*to, b = append(*to, int64(number)), b[size:]
	}
}

// time is the seconds since 1970 as a signed number, and the nanoseconds: an
// event may name any year.
func (c *codec) time(n protowire.Number, to *time.Time) {
	if c.writes {
		if !to.IsZero() {
			var b [2 * binary.MaxVarintLen64]byte
			size := binary.PutVarint(b[:], to.Unix())
			size += binary.PutUvarint(b[size:], uint64(to.Nanosecond()))
			c.appendBytes(n, b[:size])
		}
		return
	}
	if !c.read[n].there {
		return
	}
	b := c.read[n].bytes
	seconds, size := binary.Varint(b)
	nanoseconds, rest := binary.Uvarint(b[max(0, size):])
	if size <= 0 || rest <= 0 || nanoseconds >= uint64(time.Second) {
		c.err = fmt.Errorf("field %d is no time", n)
		return
	}
	*to = time.Unix(seconds, int64(nanoseconds)).UTC()
}

// optional is a message of its own that may be missing.
func optional[T any](c *codec, n protowire.Number, to **T, walk func(*T, *codec)) {
	if c.writes {
		if *to != nil {
			inner := codec{writes: true}
			walk(*to, &inner)
			c.appendBytes(n, inner.out)
		}
		return
	}
	if !c.read[n].there {
		return
	}
	inner := codec{}
	*to = new(T)
	if err := inner.parse(c.read[n].bytes); err != nil {
		c.err = err
		return
	}
	walk(*to, &inner)
	if inner.err != nil {
		c.err = inner.err
	}
}

// tidy makes empty lists into none and times into UTC, as which they come back
// from disk, and lets no append of a later Meta reach into those of an earlier
// one.
func tidy(m *Meta) {
	for _, t := range m.times() {
		*t = t.UTC().Round(0)
	}
	m.Out.Raises, m.Queue.Reasons = slices.Clip(m.Out.Raises), slices.Clip(m.Queue.Reasons)
	if len(m.Out.Raises) == 0 {
		m.Out.Raises = nil
	}
	if len(m.Queue.Reasons) == 0 {
		m.Queue.Reasons = nil
	}
}

func (m *Meta) times() []*time.Time {
	return []*time.Time{&m.SpecTime, &m.BornTime, &m.Deleting, &m.DeleteTime, &m.Gone, &m.Confirmed, &m.Out.PublishedAt, &m.Out.ObservedAt}
}
