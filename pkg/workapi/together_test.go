package workapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	manyWriters = 4
	manyRounds  = 12
)

// forms are the ways in which the same works are read.
var forms = []struct{ path, accept string }{
	{worksPath, plain},
	{worksPath + "?pretty=true", plain},
	{worksPath + "?limit=2&labelSelector=app", plain},
	{worksPath, "application/yaml"},
	{worksPath, "application/json;as=Table;v=v1;g=meta.k8s.io"},
	{worksPath, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"},
	{worksPath + "?watch=true&timeoutSeconds=1", "application/json;as=Table;v=v1;g=meta.k8s.io"},
	{worksPath + "?watch=true&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", plain},
	{"/api/v1/namespaces", plain},
	{inCluster1 + "/shared", plain},
}

// TestEverythingAtOnce: writers, readers of every form and watchers do not
// disturb each other, and all come to the same end.
func TestEverythingAtOnce(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "shared", "v1"))
	var streams []*stream
	for _, query := range []string{"", "resourceVersion=0&allowWatchBookmarks=true", "labelSelector=app", "fieldSelector=metadata.namespace%3Dcluster1"} {
		streams = append(streams, w.watch(t, query))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for _, form := range forms {
		readers.Go(func() {
			for ctx.Err() == nil {
				w.wants(t, 200, "GET", form.path, form.accept, "")
			}
		})
	}
	for writer := range manyWriters {
		writers.Go(func() { w.churn(t, fmt.Sprintf("w%d", writer)) })
	}
	writers.Wait()
	cancel()
	readers.Wait()
	list := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, plain))
	for _, s := range streams {
		s.comesTo(t, list)
	}
}

// churn makes, changes and deletes works of its own, and one that all change.
func (w *world) churn(t *testing.T, name string) {
	for round := range manyRounds {
		at, label := inCluster1+"/"+name, fmt.Sprintf(`{"metadata":{"labels":{"app":"%s-%d"}}}`, name, round)
		w.wants(t, 201, "POST", inCluster1, plain, workJSON("cluster1", name, "v1"))
		w.wants(t, 200, "PATCH", at, merge, label)
		w.wants(t, 200, "PATCH", inCluster1+"/shared", merge, label)
		w.wants(t, 200, "PATCH", at+"?fieldManager=f&force=true", apply, workJSON("cluster1", name, fmt.Sprint(round)))
		w.wants(t, 200, "DELETE", at, plain, "")
	}
	w.wants(t, 201, "POST", inCluster1, plain, workJSON("cluster1", name, "last"))
}

// wants is must for any goroutine. kind is the Accept of what has no body.
func (w *world) wants(t *testing.T, want int, method, path, kind, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	if body == "" {
		r.Header.Set("Accept", kind)
	} else {
		r.Header.Set("Content-Type", kind)
	}
	answer, err := w.server.Client().Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Errorf("%s %s: %s, %v, want %d: %s", method, path, answer.Status, err, want, text)
	}
}

// comesTo reads the watch until it has told what the list says. The versions of
// one work only grow.
func (s *stream) comesTo(t *testing.T, list workv1.ManifestWorkList) {
	t.Helper()
	there, newest := map[string]string{}, map[string]resource.Revision{}
	deadline := time.After(20 * time.Second)
	for !same(there, list) {
		select {
		case e, ok := <-s.events:
			if !ok {
				t.Fatalf("the watch ended with %v, want %d works", there, len(list.Items))
			}
			s.note(t, e, there, newest)
		case <-deadline:
			t.Fatalf("the watch has told %v, want %d works", there, len(list.Items))
		}
	}
}

func (s *stream) note(t *testing.T, e event, there map[string]string, newest map[string]resource.Revision) {
	t.Helper()
	if e.Type == "BOOKMARK" {
		return
	}
	work := decode[workv1.ManifestWork](t, string(e.Object))
	at, err := resource.ParseRevision(work.ResourceVersion)
	if err != nil || at <= newest[work.Name] {
		t.Errorf("%s: %s after %s, %v", e, at, newest[work.Name], err)
	}
	newest[work.Name] = at
	if there[work.Name] = work.ResourceVersion; e.Type == "DELETED" {
		delete(there, work.Name)
	}
}

func same(there map[string]string, list workv1.ManifestWorkList) bool {
	for _, work := range list.Items {
		if there[work.Name] != work.ResourceVersion {
			return false
		}
	}
	return len(there) == len(list.Items)
}
