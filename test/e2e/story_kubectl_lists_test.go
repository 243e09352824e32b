//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const worksPath = "/apis/work.open-cluster-management.io/v1/manifestworks"

// TestKubectlLists reads in pages, by selectors and as a watch, from a source
// that has never seen its broker, and deletes collections.
func TestKubectlLists(t *testing.T) {
	k := newKubectl(t, newSidecar(t, resource.Source, freeAddr(t), nil))
	for i := range 5 {
		k.must("created", workAt(i), "create", "-f", "-")
	}
	k.selects()
	k.pages()
	k.isTooLate()
	k.watches()
	k.deletesMany()
}

// workAt is the i-th work: in cluster1 or cluster2, of the app demo0, 1 or 2.
func workAt(i int) string {
	named := strings.Replace(workOf("v1"), `"w1"`, fmt.Sprintf(`"w%d"`, i), 1)
	labelled := strings.Replace(named, `"demo"`, fmt.Sprintf(`"demo%d"`, i%3), 1)
	return strings.Replace(labelled, `"cluster1"`, fmt.Sprintf(`"cluster%d"`, 1+i%2), 1)
}

// lists wants these works, in this order.
func (k *kubectl) lists(want string, args ...string) {
	k.t.Helper()
	got := k.must("", "", append([]string{"get", "mw", "--no-headers", "-o", "custom-columns=:.metadata.namespace,:.metadata.name"}, args...)...)
	if got = strings.Join(strings.Fields(got), " "); got != want {
		k.t.Errorf("get %s: %s, want %s", args, got, want)
	}
}

func (k *kubectl) selects() {
	k.t.Helper()
	k.lists("cluster1 w0 cluster1 w2 cluster1 w4 cluster2 w1 cluster2 w3", "-A")
	k.lists("cluster2 w1 cluster2 w3", "-n", "cluster2")
	k.lists("cluster1 w0 cluster2 w3", "-A", "-l", "app=demo0")
	k.lists("cluster1 w2 cluster1 w4 cluster2 w1", "-A", "-l", "app in (demo1,demo2)")
	k.lists("", "-A", "-l", "!app")
	k.lists("cluster2 w3", "-A", "--field-selector", "metadata.name=w3")
	k.lists("cluster2 w1 cluster2 w3", "-A", "--field-selector", "metadata.namespace!=cluster1")
	k.fails(`"spec.x" is not a known field selector`, "", "get", "mw", "-A", "--field-selector", "spec.x=y")
	if rows := k.table("ns"); len(rows) != 3 || rows[1][0] != "cluster1" || rows[2][0] != "cluster2" {
		k.t.Errorf("namespaces: %s", rows)
	}
}

// page is a part of a list.
type page struct {
	Metadata struct {
		Continue, ResourceVersion string
	}
	Items []struct{ Metadata struct{ Name string } }
}

func (k *kubectl) page(query string) (p page) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(k.must("", "", "get", "--raw", worksPath+query)), &p); err != nil {
		k.t.Fatal(err)
	}
	return p
}

// pages: all are of the moment of the first, whatever is changed meanwhile.
func (k *kubectl) pages() {
	k.t.Helper()
	k.lists("cluster1 w0 cluster1 w2 cluster1 w4 cluster2 w1 cluster2 w3", "-A", "--chunk-size=2")
	if out := k.must("", "", "get", "mw", "-A", "--chunk-size=2", "-v=6"); strings.Count(out, "limit=2") != 3 || strings.Count(out, "continue=") != 2 {
		k.t.Errorf("want three requests of two works in\n%s", out)
	}
	first := k.page("?limit=2")
	k.must("deleted", "", "delete", "mw", "w4", "-n", "cluster1")
	second := k.page("?limit=2&continue=" + url.QueryEscape(first.Metadata.Continue))
	if second.Metadata.ResourceVersion != first.Metadata.ResourceVersion || len(second.Items) != 2 || second.Items[0].Metadata.Name != "w4" {
		k.t.Errorf("after %+v: %+v", first, second)
	}
	k.must("created", workAt(4), "create", "-f", "-")
}

// isTooLate: what is not kept any more is 410, by which clients start over.
func (k *kubectl) isTooLate() {
	k.t.Helper()
	k.fails("Expired", "", "get", "--raw", worksPath+"?watch=true&resourceVersion=1")
	k.fails("Expired", "", "get", "--raw", worksPath+"?limit=2&continue=Z29uZS5hYWFh")
	k.fails("Expired", "", "get", "--raw", worksPath+"?resourceVersion=1&resourceVersionMatch=Exact")
}

// watches: kubectl get -w prints the works, and each change.
func (k *kubectl) watches() {
	k.t.Helper()
	cmd := k.command(k.t.Context(), "", "get", "mw", "-n", "cluster1", "-w", "-L", "app", "--output-watch-events")
	p := startCommand(k.t, "kubectl get -w", logFile(k.t, k.dir, "watch"), cmd)
	defer p.kill()
	prints := func(what ...string) {
		k.t.Helper()
		eventually(k.t, 20*time.Second, fmt.Sprintf("the watch prints %q", what), func() error {
			for line := range strings.Lines(p.output(k.t)) {
				if holdsAll(line, what) {
					return nil
				}
			}
			return expect(false, "it has printed\n%s", p.output(k.t))
		})
	}
	prints("ADDED", "w4", "demo1")
	k.must("labeled", "", "label", "--overwrite", "mw", "w4", "-n", "cluster1", "app=seen")
	prints("MODIFIED", "w4", "seen")
	k.must("deleted", "", "delete", "mw", "w4", "-n", "cluster1")
	prints("DELETED", "w4")
}

func (k *kubectl) deletesMany() {
	k.t.Helper()
	k.must("deleted", "", "delete", "mw", "-A", "-l", "app=demo1")
	k.lists("cluster1 w0 cluster1 w2 cluster2 w3", "-A")
	k.must(`"w0"`, "", "delete", "--raw", strings.Replace(worksPath, "manifestworks", "namespaces/cluster1/manifestworks", 1)+"?labelSelector=app%3Ddemo0")
	k.lists("cluster1 w2 cluster2 w3", "-A")
	k.must("deleted", "", "delete", "mw", "--all", "-n", "cluster1")
	k.fails("the server does not allow this method", "", "delete", "--raw", worksPath)
	k.lists("cluster2 w3", "-A")
}
