package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const devices = "com.example.fleet.v1alpha1.devices"

var devKey = resource.Key{DataType: devices, Source: apitest.Name, Cluster: "cluster1", ID: "dev-1"}

// shell runs command lines against a sidecar.
type shell struct {
	t       *testing.T
	backend *apitest.Backend
	socket  string
	stdin   string
}

func newShell(t *testing.T, role resource.Role) *shell {
	t.Helper()
	backend := apitest.New(role)
	return &shell{t: t, backend: backend, socket: apitest.Serve(t, localapi.Options{Backend: backend})}
}

// result is what a command line did.
type result struct {
	t        *testing.T
	code     int
	out, err string
}

func (s *shell) run(args ...string) result {
	s.t.Helper()
	return s.runIn(s.t.Context(), args...)
}

func (s *shell) runIn(ctx context.Context, args ...string) result {
	s.t.Helper()
	var out, errOut bytes.Buffer
	code := Main(ctx, append([]string{"--socket", s.socket}, args...), strings.NewReader(s.stdin), &out, &errOut)
	return result{t: s.t, code: code, out: out.String(), err: errOut.String()}
}

// want checks the exit code, and that the output of it holds every text.
func (r result) want(code int, texts ...string) result {
	r.t.Helper()
	said := r.out
	if code != 0 {
		said = r.err
		if strings.Count(r.err, "\n") != 1 || !strings.HasPrefix(r.err, "sidecar: ") {
			r.t.Errorf("stderr is not one line: %q", r.err)
		}
	}
	if r.code != code {
		r.t.Fatalf("exit code %d, want %d: %s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			r.t.Errorf("it lacks %q: %s", text, said)
		}
	}
	return r
}

func (s *shell) file(text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func TestTheStoryOfAResource(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("on: true\nlevel: 3\n")).want(0, "dev-1 created: version 1, pending")
	s.run("get", devices).want(0, "CLUSTER", "cluster1", "dev-1", "pending")
	s.run("get", devices, "cluster1", "dev-1", "-o", "wide").want(0, "DATATYPE", devices, "hub1")

	// What get wrote can be put back, and changes nothing.
	whole := s.run("get", devices, "cluster1", "dev-1", "-o", "yaml").want(0, "level: 3").out
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file(whole)).want(0, "dev-1 stored: version 1")
	s.stdin = strings.Replace(whole, "level: 3", "level: 4", 1)
	s.run("put", devices, "cluster1", "dev-1", "-f", "-").want(0, "version 2")

	s.backend.SetState(devKey, resource.Published)
	s.run("delete", devices, "cluster1", "dev-1").want(0, "is deleting")
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("{}")).want(1, "being deleted")
	s.run("delete", devices, "cluster1", "dev-1", "--wait", "observed", "--timeout", "20ms").want(1, "stored, but not observed")
	s.run("delete", devices, "cluster1", "dev-1", "--force").want(0, "is gone")
	s.run("get", devices, "cluster1", "dev-1").want(1, "there is no resource")
}

func TestPutReadsSpecsAndWholeResources(t *testing.T) {
	s := newShell(t, resource.Source)
	for name, test := range map[string]struct{ file, spec string }{
		"JSON":                {` {"a": 1} `, `{"a":1}`},
		"a large number":      {`{"n":12345678901234567890.5}`, `{"n":12345678901234567890.5}`},
		"YAML":                {"# c\n---\na: [1, x]\n", `{"a":[1,"x"]}`},
		"a scalar":            {"7", `7`},
		"a whole resource":    {`{"spec":{"b":2},"version":9}`, `{"b":2}`},
		"a Kubernetes object": {"apiVersion: v1\nkind: X\nspec: {a: 1}\n", `{"apiVersion":"v1","kind":"X","spec":{"a":1}}`},
		"--- inside a text":   {"a: |\n  ---\n  b\n", `{"a":"---\nb\n"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shell{t: t, backend: s.backend, socket: s.socket}
			out := s.run("put", devices, "cluster1", "dev-1", "-f", s.file(test.file), "-o", "json").want(0).out
			var res resource.Resource
			var got, want any
			if err := errors.Join(json.Unmarshal([]byte(out), &res), json.Unmarshal(res.Spec, &got), json.Unmarshal([]byte(test.spec), &want)); err != nil {
				t.Fatal(err)
			}
			x, _ := json.Marshal(got)
			y, _ := json.Marshal(want)
			if !bytes.Equal(x, y) {
				t.Errorf("spec %s, want %s", x, y)
			}
		})
	}
}

func TestPutOptions(t *testing.T) {
	s := newShell(t, resource.Source)
	put := func(more ...string) result {
		return s.run(append([]string{"put", devices, "cluster1", "dev-1", "-o", "json"}, more...)...)
	}
	put("-f", s.file("a: 1"), "--metadata", s.file("labels: {x: y}"), "--version", "5").want(0, `"version": 5`, `"labels"`)
	put("-f", s.file("\x00\xff"), "--content-type", "application/octet-stream").want(0, `"specBase64": "AP8="`)
	put("-f", s.file("a: 2"), "--wait", "published", "--timeout", "20ms").want(1, "not published within 20ms")
}

func TestPutRefuses(t *testing.T) {
	s := newShell(t, resource.Source)
	put := func(more ...string) result {
		return s.run(append([]string{"put", devices, "cluster1", "dev-1"}, more...)...)
	}
	for file, want := range map[string]string{
		"":                         "nothing in it",
		"# only a comment\n---\n":  "nothing in it",
		"a: 1\n---\nb: 2\n":        "2 documents",
		"a: 1\na: 2\n":             "neither JSON nor YAML",
		"{":                        "neither JSON nor YAML",
		`{"spec":1,"id":"dev-2"}`:  "it is dev-2, not " + devices + " dev-1 on cluster1",
		`{"spec":1,"version":"x"}`: "whole resource",
	} {
		put("-f", s.file(file)).want(1, want)
	}
	put("-f", "/nonexistent").want(1, "no such file")
	put("-f", s.file("1"), "--metadata", s.file("[]")).want(1, "must hold an object")
	put().want(2, "filename", "sidecar put --help")
	put("-f", "-", "--metadata", "-").want(2, "standard input")
	put("-f", s.file("1"), "--version", "-1").want(2, "--version")
	put("-f", s.file("1"), "--version", "2147483648").want(2, "--version")
	put("-f", s.file("1"), "--wait", "gone").want(2, "--wait")
	put("-f", s.file("1"), "--wait", "observed", "--timeout", "0s").want(2, "--timeout")
	put("-f", s.file("1"), "--wait", "observed", "--timeout", "11m").want(2, "--timeout")
	put("-f", s.file("1"), "--timeout", "5s").want(2, "--wait")
	put("-f", s.file("1"), "--content-type", "text").want(2, "--content-type")
}

func TestSetStatus(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.backend.Receive(resource.Resource{Key: devKey, Version: 3, Spec: json.RawMessage(`{}`)})
	s.stdin = `{"ready":true}`
	s.run("set-status", devices, "cluster1", "dev-1", "-f", "-").want(0, "status of version 3 stored, pending")
	s.run("set-status", devices, "cluster1", "dev-1", "-f", "-", "--version", "4").want(1, "version 4")
	s.run("set-status", devices, "cluster1", "dev-1", "-f", "-", "--version", "-4").want(2, "--version")
	s.run("set-status", devices, "cluster1", "dev-1", "-f", "-", "--wait", "observed").want(2, "--wait")
	s.run("set-status", devices, "cluster1", "dev-1", "-f", s.file("[]")).want(1, "must hold an object")
	s.run("put", devices, "cluster1", "dev-1", "-f", "-").want(1, "source")
}

func TestSourceTellsTwoResourcesApart(t *testing.T) {
	s := newShell(t, resource.Agent)
	other := devKey
	other.Source = "hub2"
	s.backend.Receive(resource.Resource{Key: devKey, Version: 1})
	s.backend.Receive(resource.Resource{Key: other, Version: 2})
	s.run("get", devices, "cluster1", "dev-1").want(1, "?source=")
	s.run("get", devices, "cluster1", "dev-1", "--source", "hub2", "-o", "json").want(0, `"version": 2`)
	s.run("get", devices, "--source", "B").want(2, "source")
}

func TestGetReadsEveryPage(t *testing.T) {
	s := newShell(t, resource.Source)
	for i := range pageSize + 2 {
		key := devKey
		key.ID = "dev-" + number(int64(i))
		s.backend.Receive(resource.Resource{Key: key, Version: 1, Sync: resource.Sync{State: resource.Observed}})
	}
	var list resource.List
	out := s.run("get", devices, "--state", "observed", "-o", "json").want(0).out
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != pageSize+2 || list.Continue != "" {
		t.Errorf("%d items, continue %q, %v", len(list.Items), list.Continue, err)
	}
	s.run("get", devices, "cluster1", "dev-1", "--state", "pending").want(2, "--state")
	s.run("get", devices, "--state", "lost").want(2, "pending, published")
}

func TestDeleteOfACluster(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	s.run("delete", "--cluster", "cluster1").want(2, "--force")
	s.run("delete", "--cluster", "A", "--force").want(2, "cluster")
	s.run("delete", "--cluster", "cluster1", "--force", "--wait", "observed").want(2, "--wait")
	s.run("delete", devices, "--cluster", "cluster1", "--force").want(2, "no arguments")
	s.run("delete", devices).want(2, "DATATYPE CLUSTER ID")
	s.run("delete", "--cluster", "cluster1", "--force").want(0, "1 resources of cluster1")
}

func TestStatus(t *testing.T) {
	s := newShell(t, resource.Source)
	s.backend.Info.Connection.LastError = "refused\x1b[2J"
	s.backend.Info.Resync.HeldDeletes = []resource.HeldDelete{{DataType: devices, Cluster: "cluster1", Count: 3, Reason: "maxDeletes"}}
	out := s.run("status").want(0, "source hub1", "connected broker:1883", "3 of "+devices, "nothing yet").out
	if strings.Contains(out, "\x1b") {
		t.Error("the output moves the cursor")
	}
	s.run("status", "-o", "json").want(0, `"role": "source"`)
	s.backend.Info.Handlers = []resource.HandlerStatus{{Name: "apply", URL: "http://app/", LastError: "connection refused"}}
	s.run("status").want(0, "Handler apply", "waits for its app, 0 in flight, http://app/: connection refused")
}

func TestResyncAndSynced(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("resync", "--cluster", "cluster1", "--allow-deletes").want(0, "asked")
	if got := s.backend.Resyncs(); len(got) != 1 || got[0] != (resource.ResyncRequest{Cluster: "cluster1", AllowDeletes: true}) {
		t.Errorf("asked %+v", got)
	}
	s.run("resync", "--cluster", "a", "--source", "b").want(2)
	s.run("resync", "--cluster", "A").want(2, "cluster")
	s.run("synced", devices, "cluster1").want(0, devices+" on cluster1")
	s.run("synced").want(0, "everything")
	s.run("status").want(0, devices+" on cluster1, everything")
	s.run("synced", "x").want(2, "data type")
}

func TestRequeue(t *testing.T) {
	s := newShell(t, resource.Agent)
	key := devKey
	key.ID = "a/b"
	s.backend.Receive(resource.Resource{Key: key, Version: 1})
	s.run("requeue", "resources", "--all").want(0, "1 requeued")
	s.run("requeue", "resources", devices+"/cluster1/a/b").want(0, "1 requeued")
	s.run("requeue", "resources", devices+"/cluster1/c").want(1, "no resource")
	s.run("requeue", "none", "--all").want(1, "no queue")
	s.run("requeue", "resources").want(2, "--all")
	s.run("requeue", "resources", "x", "--all").want(2, "--all")
	s.run("requeue", "resources", "x").want(2, "DATATYPE/CLUSTER/ID")
}

func TestDLQ(t *testing.T) {
	s := newShell(t, resource.Agent)
	s.run("dlq", "list").want(0, "nothing")
	for _, id := range []string{"dev-1", "a/b", "dev-3"} {
		key := devKey
		key.ID = id
		s.backend.Receive(resource.Resource{Key: key, Version: 7, Spec: json.RawMessage(`{"a":1}`)})
	}
	items, err := s.backend.Lease(t.Context(), resource.LeaseRequest{Queue: apitest.Queue, Max: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if err := s.backend.Answer(t.Context(), item.Lease, resource.WorkResult{Result: resource.ResultFailed, NoRetry: true, Error: "no such \x1b model"}); err != nil {
			t.Fatal(err)
		}
	}
	s.run("dlq", "list").want(0, "CLUSTER", "dev-1", "a/b", "no such ? model")
	s.run("dlq", "list", "-o", "json").want(0, `"id": "dev-1"`)
	s.run("dlq", "show", devices+"/cluster1/a/b").want(0, "a/b", "Attempts", "Error", "Version", "7")
	s.run("dlq", "show", devices+"/cluster1/a/b", "-o", "json").want(0, `"attempts": 1`, `"object": {`, `"a": 1`)
	s.run("dlq", "show", devices+"/cluster1/none").want(1, "is not among the dead keys")
	s.run("dlq", "retry", devices+"/cluster1/a/b").want(0, "1 retried")
	s.run("dlq", "drop", devices+"/cluster1/dev-1").want(0, "1 dropped")
	s.run("dlq", "drop", devices+"/cluster1/dev-1").want(1, "no resource")
	s.run("dlq", "drop", "--all").want(0, "1 dropped")
	s.run("dlq", "list").want(0, "nothing")
	s.run("dlq", "list", "--queue", "none").want(1, "no queue")
	s.run("dlq").want(2, "a subcommand is missing: drop, list, retry, show")
	s.run("dlq", "drop").want(2, "--all")
	s.run("dlq", "retry", "x", "--all").want(2, "--all")
	s.run("dlq", "retry", "x").want(2, "DATATYPE/CLUSTER/ID")
	s.run("dlq", "show").want(2)
	s.run("__complete", "dlq", "drop", "--queue", "").want(0, "resources")
}

func TestReady(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("ready").want(0, "ready")
	s.backend.SetCheck("broker", errors.New("connection refused"))
	s.run("ready").want(1, "broker: connection refused")
	s.run("ready", "--exclude", "broker,resync").want(0)
	s.run("ready", "--exclude", "resync", "--exclude", "broker").want(0)
	s.run("ready", "--wait", "50ms").want(1, "broker")
	s.run("ready", "--wait", "-1s").want(2, "--wait")
	time.AfterFunc(50*time.Millisecond, func() { s.backend.SetCheck("broker", nil) })
	s.run("ready", "--wait", "10s").want(0)
}

func TestReadyWaitsForASidecarThatIsNotThereYet(t *testing.T) {
	s := &shell{t: t, socket: apitest.Socket(t)}
	s.run("ready").want(1, "is the sidecar running?", s.socket)
	answered := make(chan result, 1)
	go func() { answered <- s.run("ready", "--wait", "10s") }()
	t.Cleanup(apitest.ServeAt(t, localapi.Options{Backend: apitest.New(resource.Source)}, s.socket))
	(<-answered).want(0)
}

func TestWrongUse(t *testing.T) {
	s := newShell(t, resource.Source)
	for _, args := range [][]string{
		{"bogus"}, {"get"}, {"get", "x"}, {"get", devices, "A"}, {"get", devices, "a", "."}, {"get", devices, "a", "b", "c"},
		{"status", "x"}, {"status", "--bogus"}, {"status", "-o", "xml"}, {"config"}, {"completion"}, {"version", "x"}, {"watch", "x"}, {"ready", "x"},
	} {
		s.run(args...).want(2, "--help'")
	}
}

func TestVersion(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("version").want(0, "sidecar ", "\ncommit  ", "\ngo      go1")
	s.run("version", "-o", "json").want(0, `"version": "`, `"commit": "`, `"go": "go1`, `"platform": "linux/`)
	s.run("version", "-o", "yaml").want(0, "commit: ")
	defer func(was string) { commit = was }(commit)
	commit = "0123abc"
	s.run("version").want(0, "commit  0123abc\n")
}

func TestTheSocketIsTheEnvironmentsByDefault(t *testing.T) {
	s := newShell(t, resource.Source)
	t.Setenv("SIDECAR_SOCKET", s.socket)
	var out, errOut bytes.Buffer
	if code := Main(t.Context(), []string{"ready"}, nil, &out, &errOut); code != 0 {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Short == "" || cmd.RunE == nil {
			t.Errorf("%s: short %q", cmd.Name(), cmd.Short)
		}
	}
	c := newCLI(&cobra.Command{Use: "sidecar"})
	for _, newCommand := range clientCommands {
		if cmd := newCommand(c); cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s lacks a long help or an example", cmd.Name())
		}
	}
}

// noFiles is cobra's word to the shell that there are no files to offer.
const noFiles = ":4\n"

func TestCompletion(t *testing.T) {
	s := newShell(t, resource.Source)
	s.run("put", devices, "cluster1", "dev-1", "-f", s.file("1")).want(0)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"get", ""}, devices}, {[]string{"get", devices, ""}, "cluster1"}, {[]string{"delete", devices, "cluster1", ""}, "dev-1"},
		{[]string{"watch", devices, ""}, "cluster1"}, {[]string{"requeue", ""}, "resources"}, {[]string{"get", devices, "--state", ""}, "observed"},
		{[]string{"ready", "--exclude", ""}, "subscribed"}, {[]string{"delete", "--cluster", ""}, "cluster1"},
		{[]string{"resync", "--cluster", ""}, "cluster1"}, {[]string{"get", devices, "--source", ""}, "hub1"},
	} {
		s.run(append([]string{"__complete"}, test.args...)...).want(0, test.want, noFiles)
	}
	for _, args := range [][]string{{"ready", "--wait", ""}, {"put", "--version", ""}, {"broker", "--listen", ""}, {"demo", ""}, {"version", ""}} {
		s.run(append([]string{"__complete"}, args...)...).want(0, noFiles)
	}
	for _, args := range [][]string{{"put", "-f", ""}, {"config", "check", ""}, {"--socket", ""}} {
		if out := s.run(append([]string{"__complete"}, args...)...).want(0).out; strings.Contains(out, noFiles) {
			t.Errorf("%v completes no files: %s", args, out)
		}
	}
	gone := &shell{t: t, socket: apitest.Socket(t)}
	gone.run("__complete", "get", "").want(0)
}
