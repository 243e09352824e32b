package mqtt_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that outlive the sessions and brokers of the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
