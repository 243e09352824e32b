//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// pushApp is an agent's app that is called. As a process it comes and goes;
// what it has made stays.
type pushApp struct {
	*agentApp
	*troubles
	t           *testing.T
	socket      string
	cloudEvents bool

	life   sync.RWMutex // held while an item is handled: an app that was killed handles nothing
	server *http.Server
	events map[string]bool // ids seen
	mu     sync.Mutex
}

func newPushApp(t *testing.T, edge *agentApp, socket string, cloudEvents bool) *pushApp {
	a := &pushApp{agentApp: edge, troubles: &troubles{}, t: t, socket: socket, cloudEvents: cloudEvents, events: map[string]bool{}}
	t.Cleanup(a.stop)
	return a
}

// handlerOf is the configuration of a handler that calls an app on a socket in
// the sidecar's folder.
func (s *sidecar) handlerOf(format string, timeout time.Duration) settings {
	return settings{"handlers": []settings{{
		"name": "devices", "url": "unix://" + s.appSocket() + ":/devices", "format": format,
		"timeout": timeout.String(), "concurrency": 8,
	}}}
}

func (s *sidecar) appSocket() string { return filepath.Join(s.dir, "app.sock") }

func (a *pushApp) start() {
	a.t.Helper()
	listener, err := net.Listen("unix", a.socket)
	if err != nil {
		a.t.Fatal(err)
	}
	a.life.Lock()
	defer a.life.Unlock()
	a.server = &http.Server{Handler: a}
	go func(s *http.Server) { _ = s.Serve(listener) }(a.server)
}

// stop ends the process: its socket and all its connections.
func (a *pushApp) stop() {
	a.life.Lock()
	defer a.life.Unlock()
	if a.server != nil {
		_ = a.server.Close()
		a.server = nil
	}
}

// ServeHTTP is one call of the sidecar.
func (a *pushApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	item, err := a.read(r)
	if err != nil {
		a.fault("call: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status, ok := a.handle(item)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	switch a.draw() {
	case fails:
		w.WriteHeader(http.StatusInternalServerError)
	case hangs:
		<-r.Context().Done()
	case closes:
		panic(http.ErrAbortHandler)
	case garbles:
		_, _ = io.WriteString(w, "<html>")
	default:
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(status)
	}
}

// read takes the body as it is: the ledger must see what the app is shown.
func (a *pushApp) read(r *http.Request) (item resource.LeaseItem, err error) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &item)
	}
	if err == nil && a.cloudEvents {
		err = a.readEvent(r.Header, item)
	}
	return item, err
}

// readEvent holds the attributes against the item.
func (a *pushApp) readEvent(h http.Header, item resource.LeaseItem) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := h.Get("Ce-Id")
	twice := a.events[id]
	a.events[id] = true
	at, err := time.Parse(time.RFC3339Nano, h.Get("Ce-Time"))
	return errors.Join(err,
		expect(id != "" && !twice, "event id %q came twice", id),
		expect(time.Since(at) < time.Minute, "event time %s", at),
		expect(h.Get("Ce-Specversion") == "1.0" && h.Get("Content-Type") == "application/json", "headers %v", h),
		expect(h.Get("Ce-Subject") == item.Key.ID && h.Get("Ce-Datatype") == devices, "subject %s of %s", h.Get("Ce-Subject"), item.Key.ID))
}

// handle does what the item asks for; false when the process has ended.
func (a *pushApp) handle(item resource.LeaseItem) (body []byte, ok bool) {
	a.life.RLock()
	defer a.life.RUnlock()
	life := a.currentLife()
	if a.server == nil || !a.leased(item, life) {
		return nil, false
	}
	time.Sleep(time.Millisecond) // so that calls overlap
	result := a.make(item)
	a.answering(item.Key, life)
	body, err := json.Marshal(map[string]any{"status": result.Status, "deleted": result.Deleted})
	if err != nil {
		a.fault("encode result: %v", err)
	}
	return body, true
}
