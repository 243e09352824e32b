package workapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/proxy"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/workapi"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
)

const worksPath = "/apis/work.open-cluster-management.io/v1/manifestworks"

// mostBytes is limits.maxResourceBytes.
const mostBytes = 1 << 20

// world is a sidecar without a broker: a store, an engine and the API.
type world struct {
	store  *store.Store
	engine *proxy.Proxy
	api    *workapi.Server
	server *httptest.Server
	stop   func()
}

func newWorld(t testing.TB, role resource.Role, dir string) *world {
	t.Helper()
	return newWorldOf(t, role, dir, func(e workapi.Engine) workapi.Engine { return e })
}

// newWorldOf is a world whose API has another engine in the place of the usual one.
func newWorldOf(t testing.TB, role resource.Role, dir string, other func(workapi.Engine) workapi.Engine) *world {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := proxy.New(proxy.Options{Role: role, ID: "hub1", Cluster: "cluster1", Store: s, Live: proxy.Live{
		DataTypes: manifestwork.DataTypes(),
		Works:     proxy.Works{Enabled: true, MaxBytes: manifestwork.DefaultMaxBytes},
	}})
	if err != nil {
		t.Fatal(err)
	}
	api := workapi.New(workapi.Options{Role: role, ID: "hub1", Store: s, Engine: other(engine), MaxResourceBytes: func() int64 { return mostBytes }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- api.Run(ctx) }()
	w := &world{store: s, engine: engine, api: api, server: httptest.NewUnstartedServer(api)}
	w.server.Config.BaseContext = nil
	w.server.Start()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		w.server.CloseClientConnections()
		w.server.Close()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

// call is one request; body may be empty.
func (w *world) call(t testing.TB, method, path, contentType, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := w.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func workJSON(namespace, name, value string) string {
	return fmt.Sprintf(`{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork","metadata":{"name":%q,"namespace":%q,"labels":{"app":"demo"}},`+
		`"spec":{"workload":{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1","namespace":"default"},"data":{"k":%q}}]}}}`, name, namespace, value)
}

// accept is a GET that must succeed, with an Accept header.
func (w *world) accept(t testing.TB, path, accept string) string {
	t.Helper()
	r, err := http.NewRequest("GET", w.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	answer, err := w.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v: %s", path, answer.StatusCode, err, text)
	}
	return string(text)
}
