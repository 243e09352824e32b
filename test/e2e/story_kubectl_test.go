//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// kubectl is the real one, as a user of a sidecar's kubeconfig has it.
type kubectl struct {
	t          *testing.T
	kubeconfig string
	cache      string
	editor     string
}

func newKubectl(t *testing.T, s *sidecar) *kubectl {
	t.Helper()
	path := filepath.Join(s.dir, "kubeconfig")
	s.configure(t, settings{"api": settings{"listen": freeAddr(t), "kubeconfigFile": path}})
	s.start(t)
	editor := filepath.Join(s.dir, "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/app: demo/app: edited/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &kubectl{t: t, kubeconfig: path, cache: filepath.Join(s.dir, "cache"), editor: editor}
}

// run is one command; stdin may be empty.
func (k *kubectl) run(stdin string, args ...string) (string, error) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", k.kubeconfig, "--cache-dir", k.cache}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "KUBECTL_EXTERNAL_DIFF=diff -u", "KUBE_EDITOR="+k.editor)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must wants success, and that text in what is said.
func (k *kubectl) must(want, stdin string, args ...string) {
	k.t.Helper()
	out, err := k.run(stdin, args...)
	if err != nil || !strings.Contains(out, want) {
		k.t.Fatalf("kubectl %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
	}
}

// fails wants an error with that text.
func (k *kubectl) fails(want, stdin string, args ...string) {
	k.t.Helper()
	if out, err := k.run(stdin, args...); err == nil || !strings.Contains(out, want) {
		k.t.Fatalf("kubectl %s: %v, want a failure with %q in\n%s", strings.Join(args, " "), err, want, out)
	}
}

const work = `{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork","metadata":{"name":"w1","namespace":"cluster1","labels":{"app":"demo"}},
"spec":{"workload":{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":"VALUE"}}]}}}`

const workStatus = `{"status":{"conditions":[{"type":"Applied","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"},` +
	`{"type":"Available","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`

func workOf(value string) string { return strings.Replace(work, "VALUE", value, 1) }

// TestKubectl goes through its verbs against two sidecars with no cluster
// behind them: a source is driven, and an agent answers.
func TestKubectl(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("there is no kubectl")
	}
	b := startBroker(t, embedded)
	hub := newKubectl(t, newSidecar(t, resource.Source, b.addr, nil))
	edge := newKubectl(t, newSidecar(t, resource.Agent, b.addr, nil))

	hub.must("manifestworks", "", "api-resources")
	hub.must("propagationPolicy", "", "explain", "mw.spec.deleteOption")
	hub.must("created", workOf("v1"), "create", "-f", "-")
	hub.must("configured", workOf("v1"), "apply", "-f", "-")
	hub.must("unchanged", workOf("v1"), "apply", "-f", "-")
	if out, err := hub.run(workOf("v2"), "diff", "-f", "-"); !isExit(err, 1) || !strings.Contains(out, "+        k: v2") {
		t.Errorf("diff: %v\n%s", err, out)
	}
	hub.must("w1", workOf("v2"), "apply", "--dry-run=server", "-f", "-")
	hub.must("serverside-applied", workOf("v2"), "apply", "--server-side", "--force-conflicts", "-f", "-")
	hub.must("edited", "", "edit", "mw", "w1", "-n", "cluster1")
	hub.must("edited", "", "get", "mw", "w1", "-n", "cluster1", "-o", "jsonpath={.metadata.labels.app}")
	hub.must("patched", "", "patch", "mw", "w1", "-n", "cluster1", "--type=json", "-p", `[{"op":"add","path":"/metadata/labels/x","value":"y"}]`)
	hub.must("w1", "", "get", "mw", "-A", "-l", "x=y", "--field-selector", "metadata.name=w1")
	hub.must("No resources found", "", "get", "mw", "-A", "-l", "x!=y,app")
	hub.must("Name:         w1", "", "describe", "mw", "w1", "-n", "cluster1")
	hub.fails("not found", "", "get", "mw", "none", "-n", "cluster1")
	hub.fails("spec.workload.manifests", strings.Replace(work, `"name":"cm1",`, "", 1), "apply", "-f", "-")
	hub.fails("the agent of the cluster reports status", "", "patch", "mw", "w1", "-n", "cluster1", "--subresource=status", "--type=merge", "-p", workStatus)

	edge.must("condition met", "", "wait", "mw/w1", "-n", "cluster1", "--for=jsonpath={.metadata.labels.x}=y", "--timeout=20s")
	edge.fails("source", "", "delete", "mw", "w1", "-n", "cluster1")
	edge.must("patched", "", "patch", "mw", "w1", "-n", "cluster1", "--subresource=status", "--type=merge", "-p", workStatus)
	hub.must("condition met", "", "wait", "mw/w1", "-n", "cluster1", "--for=condition=Available", "--timeout=20s")
	hub.must("observed", "", "get", "mw", "-A", "-o", "wide")

	deleted := make(chan string, 1)
	go func() {
		out, err := hub.run("", "delete", "mw", "w1", "-n", "cluster1", "--wait", "--timeout=20s")
		deleted <- errorOr(err, out)
	}()
	edge.must("condition met", "", "wait", "mw/w1", "-n", "cluster1", "--for=jsonpath={.metadata.deletionGracePeriodSeconds}=0", "--timeout=20s")
	select {
	case out := <-deleted:
		t.Fatalf("deleted before the agent has cleaned up: %s", out)
	default:
	}
	edge.must("patched", "", "patch", "mw", "w1", "-n", "cluster1", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	if out := <-deleted; !strings.Contains(out, `"w1" deleted`) {
		t.Errorf("delete: %s", out)
	}
	hub.must("No resources found", "", "get", "mw", "-A")
	edge.must("No resources found", "", "get", "mw", "-A")
}

func isExit(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

func errorOr(err error, out string) string {
	if err != nil {
		return err.Error() + ": " + out
	}
	return string(bytes.TrimSpace([]byte(out)))
}
