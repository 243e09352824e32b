//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// receivedEvent is a CloudEvent as the JavaScript SDK understood it.
type receivedEvent struct {
	SpecVersion, ID, Source, Type, Subject, DataContentType string
	Time                                                    time.Time
	DataType, OriginalSource, ClusterName                   string
	Attempt, ResourceVersion                                json.RawMessage // the SDK reads numbers as they are written
	DeletionTimestamp                                       string
	Data                                                    resource.LeaseItem
}

// TestCloudEventsSDK: a receiver that is written with the official JavaScript
// SDK takes what a handler pushes, as it is, and answers with results.
func TestCloudEventsSDK(t *testing.T) {
	t.Parallel()
	dir := installReceiver(t)
	w := pushWorld(t, nil)
	w.agent.configure(t, w.agent.handlerOf("cloudevents", time.Minute))
	eventually(t, patience, "the handler is reloaded", func() error {
		data, err := os.ReadFile(w.agent.log)
		if err != nil {
			return err
		}
		return expect(strings.Contains(string(data), "configuration reloaded"), "not yet")
	})
	receiver := startProcess(t, "receiver", logFile(t, dir, "receiver"), "node", filepath.Join(dir, "receiver.mjs"), w.agent.appSocket())
	t.Cleanup(receiver.kill)

	w.hub.put(t.Context(), "dev-1")
	events := receivedEvents(t, receiver, 1)
	e := events[0]
	if e.SpecVersion != "1.0" || e.Type != "dev.pillion.resource.changed" || e.Source != "/agents/agent1/queues/resources" || e.Subject != "dev-1" ||
		e.DataContentType != "application/json" || time.Since(e.Time) > time.Minute || e.ID == "" || e.ID != e.Data.Lease {
		t.Errorf("event %+v", e)
	}
	if e.DataType != devices || e.OriginalSource != sourceID || e.ClusterName != clusterName ||
		strings.Trim(string(e.Attempt), `"`) != "1" || strings.Trim(string(e.ResourceVersion), `"`) != "1" {
		t.Errorf("extensions of %+v", e)
	}
	if e.Data.Key.ID != "dev-1" || e.Data.Object == nil || e.Data.Object.Version != 1 {
		t.Errorf("data %+v", e.Data)
	}
	eventually(t, patience, "the answer is the status", func() error {
		r, err := w.source.api.Get(t.Context(), deviceKey("dev-1"))
		if err != nil {
			return err
		}
		return expect(string(r.Status) == `{"version":1}`, "status %s", r.Status)
	})
	if _, _, err := w.source.api.Delete(t.Context(), resource.DeleteRequest{Key: deviceKey("dev-1")}); err != nil {
		t.Fatal(err)
	}
	if d := receivedEvents(t, receiver, 2)[1]; d.Type != "dev.pillion.resource.deleting" || d.DeletionTimestamp == "" || d.ID == e.ID {
		t.Errorf("event %+v", d)
	}
	eventually(t, patience, "it is gone", func() error {
		_, err := w.source.api.Get(t.Context(), deviceKey("dev-1"))
		return expect(resource.CodeOf(err) == resource.NotFound, "%v", err)
	})
}

// installReceiver installs the SDK in a folder of the test. Only where node or
// npm are missing the test is left out.
func installReceiver(t *testing.T) (dir string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed for the JavaScript SDK: %v", tool, err)
		}
	}
	dir = tempDir(t)
	copyDir(t, "testdata/cloudevents", dir)
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// receivedEvents waits until the receiver has had n events.
func receivedEvents(t *testing.T, receiver *process, n int) (events []receivedEvent) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("%d events", n), func() error {
		events = nil
		for line := range strings.Lines(receiver.output(t)) {
			var e receivedEvent
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				return fmt.Errorf("%w: %s", err, receiver.output(t))
			}
			events = append(events, e)
		}
		return expect(len(events) >= n, "had %d", len(events))
	})
	return events
}
