//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const work = `{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork","metadata":{"name":"w1","namespace":"cluster1","labels":{"app":"demo"}},
"spec":{"workload":{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":"VALUE"}}]}}}`

const workStatus = `{"status":{"conditions":[{"type":"Applied","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"},` +
	`{"type":"Available","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`

// workValue is where VALUE goes.
const workValue = ".spec.workload.manifests[0].data.k"

func workOf(value string) string { return strings.Replace(work, "VALUE", value, 1) }

// TestKubectl goes through its verbs against two sidecars with no cluster
// behind them: a source is driven, and an agent answers.
func TestKubectl(t *testing.T) {
	b := startBroker(t, embedded)
	hub := newKubectl(t, newSidecar(t, resource.Source, b.addr, nil))
	edge := newKubectl(t, newSidecar(t, resource.Agent, b.addr, nil))
	hub.discovers()
	hub.declares()
	hub.applies()
	hub.changes()
	hub.isRefused()
	edge.answers(hub)
	edge.cleansUp(hub)
}

func (k *kubectl) discovers() {
	k.t.Helper()
	k.must("Server Version: v1.", "", "version")
	k.must("manifestworks", "", "api-resources")
	k.must("work.open-cluster-management.io/v1", "", "api-versions")
	k.must("propagationPolicy", "", "explain", "mw.spec.deleteOption")
	k.must("<[]Object>", "", "explain", "mw.status", "--recursive", "--output=plaintext-openapiv2")
	k.must("No resources found", "", "get", "mw", "-A")
}

// declares makes a work, after trying it.
func (k *kubectl) declares() {
	k.t.Helper()
	k.must("created (server dry run)", workOf("v1"), "create", "--dry-run=server", "-f", "-")
	k.fails("not found", "", "get", "mw", "w1", "-n", clusterName)
	k.must("created", workOf("v1"), "create", "-f", "-")
	k.fails("already exists", workOf("v1"), "create", "-f", "-")
	k.must("Name:         w1", "", "describe", "mw", "w1", "-n", clusterName)
	k.must("default", "", "get", "ns", clusterName, "-o", "jsonpath=default{.metadata.name}")
}

// applies is both ways of apply, with the dry run and the conflict of each.
func (k *kubectl) applies() {
	k.t.Helper()
	k.must("configured", workOf("v1"), "apply", "-f", "-")
	k.must("unchanged", workOf("v1"), "apply", "-f", "-")
	k.differs("+        k: v2", workOf("v2"))
	k.must("configured (server dry run)", workOf("v2"), "apply", "--dry-run=server", "-f", "-")
	k.shows("v1", workValue)
	k.must("configured", workOf("v2"), "apply", "-f", "-")
	k.shows("v2", workValue)

	other := []string{"apply", "--server-side", "--field-manager=other", "-f", "-"}
	k.fails("conflict", workOf("v3"), other...)
	k.shows("v2", workValue)
	k.differs("+        k: v3", workOf("v3"), "--server-side", "--force-conflicts", "--field-manager=other")
	k.must("serverside-applied (server dry run)", workOf("v3"), append(other, "--force-conflicts", "--dry-run=server")...)
	k.shows("v2", workValue)
	k.must("serverside-applied", workOf("v3"), append(other, "--force-conflicts")...)
	k.shows("v3", workValue)
	k.must("other", "", "get", "mw", "w1", "-n", clusterName, "-o", "yaml", "--show-managed-fields")
}

// changes is the verbs that change what is there. A stale copy is refused.
func (k *kubectl) changes() {
	k.t.Helper()
	at := []string{"mw", "w1", "-n", clusterName}
	stale := k.must("w1", "", append([]string{"get", "-o", "json"}, at...)...)
	k.must("edited", "", append([]string{"edit"}, at...)...)
	k.shows("edited", ".metadata.labels.app")
	k.fails("Conflict", stale, "replace", "-f", "-")
	fresh := k.must("edited", "", append([]string{"get", "-o", "json"}, at...)...)
	k.must("replaced", strings.Replace(fresh, `"edited"`, `"replaced"`, 1), "replace", "-f", "-")
	k.must("patched", "", append([]string{"patch", "--type=json", "-p", `[{"op":"add","path":"/metadata/labels/x","value":"y"}]`}, at...)...)
	k.must("patched", "", append([]string{"patch", "--type=merge", "-p", `{"spec":{"deleteOption":{"propagationPolicy":"Orphan"}}}`}, at...)...)
	k.must("patched (no change)", "", append([]string{"patch", "--type=merge", "-p", `{"spec":{"deleteOption":{"propagationPolicy":"Orphan"}}}`}, at...)...)
	k.must("labeled", "", "label", "mw", "w1", "-n", clusterName, "tier=one")
	k.must("annotated", "", "annotate", "mw", "w1", "-n", clusterName, "note=this")
	k.shows("Orphan replaced y one this", `.spec.deleteOption.propagationPolicy} {.metadata.labels.app} {.metadata.labels.x} {.metadata.labels.tier} {.metadata.annotations.note`)
}

func (k *kubectl) isRefused() {
	k.t.Helper()
	k.fails("not found", "", "get", "mw", "none", "-n", clusterName)
	k.fails("spec.workload.manifests", strings.Replace(work, `"name":"cm1",`, "", 1), "apply", "-f", "-")
	k.fails(`unknown field "spec.nothing"`, strings.Replace(work, `"spec":{`, `"spec":{"nothing":1,`, 1), "apply", "-f", "-")
	k.fails("the agent of the cluster reports status", "", "patch", "mw", "w1", "-n", clusterName, "--subresource=status", "--type=merge", "-p", workStatus)
}

// answers is an agent's part, until its hub knows.
func (k *kubectl) answers(hub *kubectl) {
	k.t.Helper()
	k.must("condition met", "", "wait", "mw/w1", "-n", clusterName, "--for=jsonpath={.metadata.annotations.note}=this", "--timeout=20s")
	k.shows("v3", workValue)
	k.fails("source", "", "delete", "mw", "w1", "-n", clusterName)
	k.must("patched", "", "patch", "mw", "w1", "-n", clusterName, "--subresource=status", "--type=merge", "-p", workStatus)
	hub.must("condition met", "", "wait", "mw/w1", "-n", clusterName, "--for=condition=Available", "--timeout=20s")

	table := hub.table("mw", "-A")
	if want := "[NAMESPACE NAME GENERATION APPLIED AVAILABLE SYNC AGE]"; len(table) != 2 || fmt.Sprint(table[0]) != want {
		k.t.Fatalf("%s, want a row below %s", table, want)
	}
	generation := hub.must("", "", "get", "mw", "w1", "-n", clusterName, "-o", "jsonpath={.metadata.generation}")
	if want := fmt.Sprintf("[cluster1 w1 %s True True observed]", generation); fmt.Sprint(table[1][:6]) != want {
		k.t.Errorf("%s, want %s", table[1], want)
	}
	if wide := hub.table("mw", "-A", "-o", "wide"); fmt.Sprint(wide[0][7:], wide[1][7:]) != "[MANIFESTS SOURCE SYNC-ERROR] [1 hub1]" {
		k.t.Errorf("wide: %s", wide)
	}
}

// cleansUp: the hub's delete waits until the agent has done its part.
func (k *kubectl) cleansUp(hub *kubectl) {
	k.t.Helper()
	deleted := make(chan string, 1)
	go func() {
		out, err := hub.run("", "delete", "mw", "w1", "-n", clusterName, "--wait", "--timeout=20s")
		deleted <- errorOr(err, out)
	}()
	k.must("condition met", "", "wait", "mw/w1", "-n", clusterName, "--for=jsonpath={.metadata.deletionGracePeriodSeconds}=0", "--timeout=20s")
	select {
	case out := <-deleted:
		k.t.Fatalf("deleted before the agent has cleaned up: %s", out)
	default:
	}
	k.must("patched", "", "patch", "mw", "w1", "-n", clusterName, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	if out := <-deleted; !strings.Contains(out, `"w1" deleted`) {
		k.t.Errorf("delete: %s", out)
	}
	hub.must("No resources found", "", "get", "mw", "-A")
	k.must("No resources found", "", "get", "mw", "-A")
}

func errorOr(err error, out string) string {
	if err != nil {
		return err.Error() + ": " + out
	}
	return string(bytes.TrimSpace([]byte(out)))
}
