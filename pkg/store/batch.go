package store

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// batch is one commit while it is put together.
type batch struct {
	s       *Store
	over    overlay
	answers []answer
	view    view // of the last commit; opened when it is needed
}

type answer struct {
	done func(error)
	err  error
}

// run runs one update and keeps what it staged unless it failed.
func (b *batch) run(fn func(*Tx) error) error {
	tx := &Tx{s: b.s, batch: b, over: newOverlay(b.over.head, b.over.visible), now: b.s.clock().UTC().Round(0)}
	if err := cmp.Or(b.call(fn, tx), tx.err); err != nil {
		return err
	}
	b.over.absorb(&tx.over)
	return nil
}

// call turns a panic into an error. The value of a panic may hold what must not
// be logged, so only that of the runtime is shown.
func (b *batch) call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err = resource.Errorf(resource.Internal, "update store: panic: %T", p)
		if fault, ok := p.(runtime.Error); ok {
			err = resource.Errorf(resource.Internal, "update store: panic: %w", fault)
		}
		b.s.log.Error("update of the store panicked", "error", err, "stack", string(debug.Stack()))
	}()
	return fn(tx)
}

// payload reads what the last commit left.
func (b *batch) payload(key resource.Key, kind int) (value []byte, err error) {
	if b.view.tx == nil {
		if b.view, err = b.s.openView(); err != nil {
			return nil, err
		}
	}
	if change := b.view.changes(key)[kind]; change != nil {
		return *change, nil
	}
	err = guard(func() error {
		value = slices.Clone(b.view.tx.Bucket(payloadBuckets[kind]).Get(encodeKey(key)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return value, nil
}
