//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubectl is the real one, as a user of a sidecar's kubeconfig has it.
type kubectl struct {
	t      *testing.T
	binary string
	dir    string
	flags  []string
	env    []string
}

// newKubectl starts the sidecar with an address for kubectl.
func newKubectl(t *testing.T, s *sidecar) *kubectl {
	t.Helper()
	path := os.Getenv("KUBECTL_BIN")
	if path == "" {
		t.Fatal("KUBECTL_BIN is not set: it is the absolute path of a kubectl; make kubectl builds one as bin/kubectl, and make e2e sets it")
	}
	kubeconfig, editor := filepath.Join(s.dir, "kubeconfig"), filepath.Join(s.dir, "editor")
	s.configure(t, settings{"api": settings{"listen": freeAddr(t), "kubeconfigFile": kubeconfig}})
	s.start(t)
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/app: demo/app: edited/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &kubectl{t: t, binary: path, dir: s.dir,
		flags: []string{"--kubeconfig", kubeconfig, "--cache-dir", filepath.Join(s.dir, "cache")},
		env:   append(os.Environ(), "HOME="+s.dir, "KUBERC=off", "KUBECTL_EXTERNAL_DIFF=diff -u", "KUBE_EDITOR="+editor),
	}
}

func (k *kubectl) command(ctx context.Context, stdin string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.binary, append(k.flags, args...)...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), k.env
	return cmd
}

// run is one command; stdin may be empty.
func (k *kubectl) run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(k.t.Context(), 30*time.Second)
	defer cancel()
	out, err := k.command(ctx, stdin, args...).CombinedOutput()
	return string(out), err
}

// must wants success, and that text in what is said.
func (k *kubectl) must(want, stdin string, args ...string) string {
	k.t.Helper()
	out, err := k.run(stdin, args...)
	if err != nil || !strings.Contains(out, want) {
		k.t.Fatalf("kubectl %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
	}
	return out
}

// fails wants an error with that text.
func (k *kubectl) fails(want, stdin string, args ...string) {
	k.t.Helper()
	if out, err := k.run(stdin, args...); err == nil || !strings.Contains(out, want) {
		k.t.Fatalf("kubectl %s: %v, want a failure with %q in\n%s", strings.Join(args, " "), err, want, out)
	}
}

// differs wants kubectl diff to find that line.
func (k *kubectl) differs(line, stdin string, args ...string) {
	k.t.Helper()
	out, err := k.run(stdin, append([]string{"diff", "-f", "-"}, args...)...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, line) {
		k.t.Errorf("kubectl diff: %v, want exit code 1 and %q in\n%s", err, line, out)
	}
}

// shows wants a field of the work w1 to be that.
func (k *kubectl) shows(want, field string) {
	k.t.Helper()
	if got := k.must("", "", "get", "mw", "w1", "-n", clusterName, "-o", "jsonpath={"+field+"}"); got != want {
		k.t.Errorf("%s is %q, want %q", field, got, want)
	}
}

// table is what kubectl get prints, split into words.
func (k *kubectl) table(args ...string) (rows [][]string) {
	k.t.Helper()
	for line := range strings.Lines(k.must("", "", append([]string{"get"}, args...)...)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}
