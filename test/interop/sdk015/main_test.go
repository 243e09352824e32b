package sdk015

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"k8s.io/klog/v2"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic"

	"github.com/pillion-dev/pillion/test/interop/harness/story"
)

var sdk = story.SDK{Name: "sdk-go v0.15.0", Connector: connector{}, NoStatusHash: true}

// The SDK waits 5 to 60 seconds before it connects again, by one counter for
// all clients of a process. A story has no time for that, and the order in
// which the sides come back is the story's to decide.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("SIDECAR_BIN") == "" {
		fmt.Fprintln(os.Stderr, "SIDECAR_BIN is not set: it is the absolute path of the built sidecar; run make interop, which builds one and sets it")
		os.Exit(2)
	}
	generic.DelayFn = func() time.Duration { return time.Duration(100+rand.IntN(200)) * time.Millisecond }
	quiet()
	os.Exit(m.Run())
}

// quiet keeps the SDK's log of expected disconnections out of the way, unless
// INTEROP_VERBOSE is set.
func quiet() {
	if os.Getenv("INTEROP_VERBOSE") != "" {
		return
	}
	klog.SetLogger(klog.Logger{})
}
