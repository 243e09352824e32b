package store

import "github.com/pillion-dev/pillion/pkg/resource"

// The payloads of a record, each in a bucket of its own, so that a change of
// one does not write the others again.
const (
	specPayload = iota
	metadataPayload
	statusPayload
	nextSpecPayload
	nextMetadataPayload
	localPayload
	payloadKinds
)

// payloads are changes of payloads: nil keeps, a pointer to nothing removes.
type payloads [payloadKinds]*[]byte

// noPayloads removes all.
func noPayloads() (p payloads) {
	for i := range p {
		p[i] = new([]byte)
	}
	return p
}

// merge puts the later changes on top.
func (p *payloads) merge(later payloads) {
	for i, change := range later {
		if change != nil {
			p[i] = change
		}
	}
}

func (p *payloads) size() (n int) {
	for _, change := range p {
		if change != nil {
			n += len(*change)
		}
	}
	return n
}

// clone copies the changes out of slices that are the caller's, and may be small
// parts of large ones.
func (p payloads) clone() payloads {
	for i, change := range p {
		if change != nil {
			own := append([]byte{}, *change...)
			p[i] = &own
		}
	}
	return p
}

// staged is a record as it will be after the commit.
type staged struct {
	meta     *Meta  // nil: removed
	encoded  []byte // meta as it goes to disk; empty: removed
	payloads payloads
}

// spot is where a record is, of whatever source.
type spot struct {
	place
	id string
}

func spotOf(k resource.Key) spot { return spot{placeOf(k.Group()), k.ID} }

// contents are changes that become durable together.
type contents struct {
	records  map[resource.Key]*staged // nil: none yet
	settings map[string][]byte        // nil: none yet; a nil value removes
	lines    []logLine                // in the order of their revisions
}

func (c *contents) putRecord(key resource.Key, st *staged) {
	if c.records == nil {
		c.records = make(map[resource.Key]*staged)
	}
	c.records[key] = st
}

func (c *contents) set(name string, value []byte) {
	if c.settings == nil {
		c.settings = make(map[string][]byte)
	}
	c.settings[name] = value
}

// overlay is what was staged and is not on disk yet.
type overlay struct {
	contents
	sources map[spot][]string // of records; nil: none yet
	changes []Change
	size    int // bytes of payloads and Metas

	head    resource.Revision // the last revision given out
	visible resource.Revision // the last that a visible change got

	reserve bool // sequence ids are needed
}

func newOverlay(head, visible resource.Revision) overlay {
	return overlay{head: head, visible: visible}
}

// stage puts a change of a record on top of what is staged for it.
func (o *overlay) stage(key resource.Key, change staged) {
	o.size += len(change.encoded) + change.payloads.size()
	earlier := o.records[key]
	if earlier == nil {
		at := spotOf(key)
		if o.sources == nil {
			o.sources = make(map[spot][]string)
		}
		o.sources[at] = append(o.sources[at], key.Source)
		o.putRecord(key, &change)
		return
	}
	earlier.meta, earlier.encoded = change.meta, change.encoded
	earlier.payloads.merge(change.payloads)
}

func (o *overlay) set(name string, value []byte) {
	o.contents.set(name, value)
	o.size += len(name) + len(value)
}

// absorb puts a later overlay, which began where o is, on top of o.
func (o *overlay) absorb(later *overlay) {
	if len(o.records)+len(o.settings)+len(o.lines) == 0 {
		later.reserve = later.reserve || o.reserve
		*o = *later
		return
	}
	for key, change := range later.records {
		o.stage(key, *change)
	}
	for name, value := range later.settings {
		o.set(name, value)
	}
	o.changes = append(o.changes, later.changes...)
	o.lines = append(o.lines, later.lines...)
	o.head, o.visible = later.head, later.visible
	o.reserve = o.reserve || later.reserve
}

// empty tells whether there is nothing to write since head.
func (o *overlay) empty(head resource.Revision) bool {
	return len(o.records) == 0 && len(o.settings) == 0 && o.head == head && !o.reserve
}
