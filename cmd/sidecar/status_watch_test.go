package main

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestStatusWatchPrintsAgainAndAgain(t *testing.T) {
	s := newShell(t, resource.Source)
	for output, text := range map[string]string{"table": "Queue resources", "json": `,"queues":[{"name":"resources"`, "yaml": "---\n"} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &screen{}
		ended := make(chan int, 1)
		go func() {
			ended <- Main(ctx, []string{"--socket", s.socket, "status", "--watch", "--every", "100ms", "-o", output}, nil, out, &bytes.Buffer{})
		}()
		stop := sync.OnceValue(func() int { cancel(); return <-ended })
		out.showsTwice(t, text)
		if code := stop(); code != 0 {
			t.Errorf("%s: exit code %d", output, code)
		}
	}
}

func TestStatusWatchIsUsedRightly(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("status", "--every", "5s").want(2, "--every goes with --watch")
	s.run("status", "--watch", "--every", "1ms").want(2, "at least")
	nobody := &shell{t: t, socket: apitest.Socket(t)}
	nobody.run("status", "--watch").want(1, "is the sidecar running?")
}
