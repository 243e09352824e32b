package store_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

var benchSpec = strings.Repeat("x", 2<<10)

// benchStore has 10,000 resources of 2 KiB.
func benchStore(b *testing.B, change ...func(*store.Options)) *store.Store {
	b.Helper()
	s := open(b, b.TempDir(), change...)
	for i := range 10 {
		update(b, s, func(tx *store.Tx) {
			for j := range 1000 {
				putTx(tx, benchKey(i*1000+j), 1, benchSpec)
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s
}

// benchKey is one of 10,000 that are not in the order of n.
func benchKey(n int) resource.Key { return key(fmt.Sprintf("%08x", uint32(n%10_000)*2654435761)) }

// BenchmarkCommit is one writer alone: each update is a commit.
func BenchmarkCommit(b *testing.B) {
	for _, sync := range []bool{true, false} {
		b.Run(fmt.Sprint("sync=", sync), func(b *testing.B) {
			s := benchStore(b, func(o *store.Options) { o.Sync = sync })
			for n := 0; b.Loop(); n++ {
				put(b, s, benchKey(n), int64(n), benchSpec)
			}
		})
	}
}

// BenchmarkGroupCommit is many writers, whose updates share commits.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := benchStore(b)
			b.SetParallelism(writers)
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					put(b, s, benchKey(int(i)), i, benchSpec)
				}
			})
		})
	}
}

// BenchmarkBatch is one writer with 1,000 resources in each update; the time is
// that of one resource.
func BenchmarkBatch(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < b.N; {
		update(b, s, func(tx *store.Tx) {
			for i := 0; i < 1000 && n < b.N; i++ {
				putTx(tx, benchKey(n), int64(n), benchSpec)
				n++
			}
		})
	}
}

func BenchmarkMark(b *testing.B) {
	s := benchStore(b)
	for n := 0; b.Loop(); n++ {
		update(b, s, func(tx *store.Tx) {
			m := *tx.Meta(benchKey(n))
			m.Out.Pending = n%2 == 0
			tx.Put(m, store.Write{})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	for n := 0; b.Loop(); n++ {
		if _, err := s.Get(benchKey(n)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		for o := (store.ListOptions{Limit: 500}); ; {
			p, err := s.List(o)
			if err != nil {
				b.Fatal(err)
			}
			if o.Continue = p.Continue; o.Continue == "" {
				break
			}
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	for i := range 10 {
		update(b, s, func(tx *store.Tx) {
			for j := range 1000 {
				putTx(tx, benchKey(i*1000+j), 1, benchSpec)
			}
		})
	}
	closeStore(b, s)
	for b.Loop() {
		s, err := store.Open(store.Options{Dir: dir, Sync: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNextSequence(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		if _, err := s.NextSequence(); err != nil {
			b.Fatal(err)
		}
	}
}
