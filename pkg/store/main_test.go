package store_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No test may leave a goroutine behind: not the committer, not a timer.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
