package localapi_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// event is one line of a watch.
type event struct {
	Type     string
	Resource *resource.Resource
	Revision string
	Error    *problem
}

// stream is a watch that is open.
type stream struct {
	t        testing.TB
	response *http.Response
	lines    *bufio.Scanner
}

func (a *api) watch(query string) *stream {
	a.t.Helper()
	response, err := a.client().Get("http://sidecar/v1/resources?watch=true" + query)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/x-ndjson" {
		a.t.Fatalf("watch: %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	return &stream{t: a.t, response: response, lines: bufio.NewScanner(response.Body)}
}

// next is the next line; nil when there is no more.
func (s *stream) next() *event {
	s.t.Helper()
	if !s.lines.Scan() {
		return nil
	}
	var e event
	if err := json.Unmarshal(s.lines.Bytes(), &e); err != nil {
		s.t.Fatalf("%v: %s", err, s.lines.Text())
	}
	return &e
}

func (s *stream) want(kind, id string) *event {
	s.t.Helper()
	e := s.next()
	if e == nil || e.Type != kind || id != "" && (e.Resource == nil || e.Resource.ID != id) {
		s.t.Fatalf("got %+v, want %s %s", e, kind, id)
	}
	return e
}

func TestWatchTellsAllThenChanges(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`).want(201)
	s := a.watch("&dataType=" + devices)
	s.want("ADDED", "dev-1")
	synced := s.want("SYNCED", "")
	if synced.Revision == "" {
		t.Error("SYNCED has no revision")
	}
	a.call("PUT", devPath, `{"spec":2}`).want(200)
	s.want("MODIFIED", "dev-1")
	a.call("DELETE", devPath, "").want(200)
	s.want("DELETED", "dev-1")
	a.backend.Bookmark()
	if e := s.want("BOOKMARK", ""); e.Revision == "" {
		t.Error("BOOKMARK has no revision")
	}
}

func TestWatchSelects(t *testing.T) {
	a := serve(t, resource.Source)
	s := a.watch("&cluster=cluster2")
	s.want("SYNCED", "")
	a.call("PUT", devPath, `{"spec":1}`).want(201)
	s.want("BOOKMARK", "")
	a.call("PUT", "/v1/resources/"+devices+"/cluster2/dev-2", `{"spec":1}`).want(201)
	s.want("ADDED", "dev-2")
}

func TestWatchResumes(t *testing.T) {
	a := serve(t, resource.Source)
	first := a.call("PUT", devPath, `{"spec":1}`).want(201).resource()
	a.call("PUT", devPath, `{"spec":2}`).want(200)
	s := a.watch("&since=" + first.Revision.String())
	if e := s.want("MODIFIED", "dev-1"); e.Resource.Revision <= first.Revision {
		t.Errorf("revision %s is not after %s", e.Resource.Revision, first.Revision)
	}
}

func TestWatchFromALapsedRevisionIs410(t *testing.T) {
	a := serve(t, resource.Source)
	a.backend.Lapse()
	a.call("GET", "/v1/resources?watch=true&since=1", "").wantProblem(410, resource.Expired)
}

func TestAnErrorIsTheLastLine(t *testing.T) {
	a := serve(t, resource.Source)
	s := a.watch("")
	s.want("SYNCED", "")
	a.backend.Lapse()
	a.backend.Bookmark() // wakes the watch
	e := s.want("ERROR", "")
	if e.Error == nil || e.Error.Code != "expired" || e.Error.Status != 410 || e.Error.Type != "about:blank" {
		t.Errorf("error %+v", e.Error)
	}
	if s.next() != nil {
		t.Error("there is something after the error")
	}
}

func TestAWatchBeginsThoughNothingHappens(t *testing.T) {
	a := serve(t, resource.Source, func(o *localapi.Options) { o.Backend = silent{apitest.New(resource.Source)} })
	a.watch("") // would hang
}

func TestWatchersAreLimited(t *testing.T) {
	registry := newRegistry()
	a := serve(t, resource.Source, func(o *localapi.Options) {
		o.MaxWatchers = func() int { return 2 }
		o.Registerer, o.Metrics = registry, metricsOf(registry)
	})
	one, two := a.watch(""), a.watch("")
	one.want("SYNCED", "")
	two.want("SYNCED", "")
	refused := a.call("GET", "/v1/resources?watch=true", "")
	refused.wantProblem(429, resource.TooManyRequests, "limits.maxWatchers")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.call("GET", "/metrics", "").want(200, "\nsidecar_watches 2\n")
	_ = one.response.Body.Close()
	eventually(t, "the place is free again", func() bool {
		response, err := a.client().Get("http://sidecar/v1/resources?watch=true")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode == 200
	})
}

func TestAWatchEndsWithTheServer(t *testing.T) {
	backend := apitest.New(resource.Source)
	socket := apitest.Socket(t)
	stop := apitest.ServeAt(t, localapi.Options{Backend: backend}, socket)
	a := &api{t: t, backend: backend, socket: socket}
	s := a.watch("")
	s.want("SYNCED", "")
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the end took %s", took)
	}
	if e := s.want("ERROR", ""); e.Error == nil || e.Error.Code != "unavailable" || e.Error.Status != 503 {
		t.Errorf("the last line has %+v", e.Error)
	}
	if e := s.next(); e != nil {
		t.Errorf("got %+v, want the end", e)
	}
}

func TestLinesHoldNoLineBreaks(t *testing.T) {
	a := serve(t, resource.Agent)
	spec := json.RawMessage("{\n  \"text\": \"a\\nb\",\r\n\t\"n\": [1,\n2]}")
	a.backend.Receive(resource.Resource{Key: devKey, Version: 1, Spec: spec})
	e := a.watch("").want("ADDED", "dev-1")
	if got := string(e.Resource.Spec); strings.ContainsAny(got, "\r\n\t") || got != `{"text":"a\nb","n":[1,2]}` {
		t.Errorf("spec %q", got)
	}
}
