package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pillion-dev/pillion/pkg/store"
)

// A file that outgrows its mapping is mapped anew when nobody reads. A reader
// that lets the mapping go must not hold on to the old one meanwhile: the two
// would wait for each other.
func TestReadersDoNotHoldUpALargerMapping(t *testing.T) {
	store.SetMapping(t, 1<<20)
	s := open(t, t.TempDir(), noSync)
	s.SetResident(1)
	const records = 4
	for i := range records {
		put(t, s, key(fmt.Sprint("read-", i)), 1, strings.Repeat("x", 4<<10))
	}
	checkpoint(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for i := range records {
		readers.Go(func() {
			for ctx.Err() == nil {
				spec(t, s, key(fmt.Sprint("read-", i)))
			}
		})
	}
	grown := make(chan struct{})
	go func() {
		defer close(grown)
		for i := range 12 { // 12 MiB: it is mapped anew for 2, 4, 8 and 16
			put(t, s, key(fmt.Sprint("grow-", i)), 1, strings.Repeat("x", 1<<20))
			checkpoint(t, s)
		}
	}()
	within(t, grown, "the file to grow beside readers")
	cancel()
	readers.Wait()
}
