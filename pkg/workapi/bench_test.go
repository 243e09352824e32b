package workapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// fill declares works of about 2 KiB.
func fill(b testing.TB, w *world, n int) {
	b.Helper()
	spec := `{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":"` + strings.Repeat("x", 1600) + `"}}]}`
	for i := range n {
		name, cluster := fmt.Sprintf("work-%05d", i), fmt.Sprintf("cluster-%02d", i%100)
		key := resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: cluster, ID: manifestwork.ID("hub1", cluster, name)}
		_, _, err := w.engine.Put(context.Background(), resource.PutRequest{Key: key,
			Spec: resource.Payload{Data: []byte(spec), ContentType: resource.JSONContentType}, Metadata: json.RawMessage(`{"name":"` + name + `","labels":{"app":"demo"}}`)})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListOfTenThousand(b *testing.B) {
	w := newWorld(b, resource.Source, b.TempDir())
	fill(b, w, 10_000)
	w.call(b, "GET", worksPath+"?limit=1", "", "")
	for b.Loop() {
		if code, body := w.call(b, "GET", worksPath, "", ""); code != 200 || len(body) < 10_000_000 {
			b.Fatal(code, len(body))
		}
	}
}

func BenchmarkAThousandEventsToFiftyWatchers(b *testing.B) {
	w := newWorld(b, resource.Source, b.TempDir())
	fill(b, w, 1000)
	_, list := w.call(b, "GET", worksPath+"?limit=1", "", "")
	var first struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := json.Unmarshal([]byte(list), &first); err != nil {
		b.Fatal(err)
	}
	var counters []chan int
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 50 {
		counters = append(counters, drainEvents(b, ctx, w, first.Metadata.ResourceVersion))
	}
	round := 0
	for b.Loop() {
		round++
		for i := range 1000 {
			name := fmt.Sprintf("work-%05d", i)
			patch := fmt.Sprintf(`{"metadata":{"labels":{"round":"%d"}}}`, round)
			if code, body := w.call(b, "PATCH", fmt.Sprintf("/apis/work.open-cluster-management.io/v1/namespaces/cluster-%02d/manifestworks/%s", i%100, name), "application/merge-patch+json", patch); code != 200 {
				b.Fatal(code, body)
			}
		}
		for _, counter := range counters {
			for seen := 0; seen < 1000; {
				seen += <-counter
			}
		}
	}
}

// drainEvents reads a watch and tells how many events came.
func drainEvents(b *testing.B, ctx context.Context, w *world, since string) chan int {
	b.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", w.server.URL+worksPath+"?watch=true&resourceVersion="+since, nil)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := w.server.Client().Do(r)
	if err != nil {
		b.Fatal(err)
	}
	counter := make(chan int, 1<<16)
	go func() {
		defer answer.Body.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := answer.Body.Read(buffer)
			if err != nil {
				return
			}
			counter <- bytes.Count(buffer[:n], []byte("\n"))
		}
	}()
	return counter
}
