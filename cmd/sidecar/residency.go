package main

import (
	"context"
	"time"
)

// startTime is how long a start takes at most, connecting included.
const startTime = 3 * time.Second

// forgetStartLater forgets the start once it is over.
func forgetStartLater(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(startTime):
		forgetStart()
	}
	return nil
}
