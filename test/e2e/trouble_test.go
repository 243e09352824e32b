//go:build e2e

package e2e_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// trouble is what goes wrong with an app while it handles an item. It has
// always handled it when it does: a result that is not told counts for nothing.
type trouble string

const (
	none    trouble = "none"
	fails   trouble = "fails"   // says so
	hangs   trouble = "hangs"   // never answers
	closes  trouble = "closes"  // ends the connection, or the work
	garbles trouble = "garbles" // answers with what is no result
)

// troubles draws one item in four, and counts.
type troubles struct {
	calm atomic.Bool // nothing goes wrong

	mu   sync.Mutex
	seen map[trouble]int
}

func (s *troubles) draw() trouble {
	drawn := none
	if !s.calm.Load() && rand.N(4) == 0 {
		drawn = []trouble{fails, hangs, closes, garbles}[rand.N(4)]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[trouble]int{}
	}
	s.seen[drawn]++
	return drawn
}

func (s *troubles) counts() map[trouble]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[trouble]int{}
	for drawn, n := range s.seen {
		counts[drawn] = n
	}
	return counts
}
