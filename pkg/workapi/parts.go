package workapi

import (
	"context"
	"time"

	"github.com/pillion-dev/pillion/pkg/store"
)

// The bounds of what a list reads ahead of what it writes.
const (
	partRecords = 128
	partsAhead  = 4
	// scanTime is how long a client that reads slowly may keep the store's file
	// from growing. What it has not taken by then waits in memory.
	scanTime = time.Second
)

// parts are the records of a list, read while those before are written.
type parts struct {
	found chan []*store.Record
	err   error // why there are no more, once found is closed
}

// scan reads until all is taken or ctx ends.
func scan(ctx context.Context, s *store.Store, o store.ListOptions) *parts {
	p := &parts{found: make(chan []*store.Record, partsAhead)}
	go p.read(ctx, s, o)
	return p
}

// onePart is of records that were read.
func onePart(records []*store.Record) *parts {
	p := &parts{found: make(chan []*store.Record, 1)}
	p.found <- records
	close(p.found)
	return p
}

func (p *parts) read(ctx context.Context, s *store.Store, o store.ListOptions) {
	defer close(p.found)
	late := time.NewTimer(scanTime)
	defer late.Stop()
	var waiting [][]*store.Record
	waiting, p.err = p.ahead(ctx, s, o, late.C)
	for _, part := range waiting {
		select {
		case p.found <- part:
		case <-ctx.Done():
		}
	}
	if p.err == nil {
		p.err = ctx.Err()
	}
}

// ahead reads as parts are taken, and all that is left once late says so.
func (p *parts) ahead(ctx context.Context, s *store.Store, o store.ListOptions, late <-chan time.Time) (waiting [][]*store.Record, err error) {
	err = s.Scan(o, partRecords, func(part []*store.Record) bool {
		if waiting == nil {
			select {
			case p.found <- part:
				return true
			case <-ctx.Done():
				return false
			case <-late:
			}
		}
		waiting = append(waiting, part)
		return ctx.Err() == nil
	})
	return waiting, err
}
