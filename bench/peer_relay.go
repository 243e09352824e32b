package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// A relay is the least that two processes between the apps can cost: one
// publishes the body of a PUT on its Unix socket, the other hands what it
// receives to a long poll. There is no store, no protocol and no order: what a
// sidecar takes beyond it is its own.

// relayCommand as the first argument makes a process of this program one of the
// two.
const relayCommand = "relay"

// relayPair is both apps in this process, each with a relay beside it.
type relayPair struct {
	dir           string
	source, agent *http.Client
	processes     map[string]*process
	spec          chan arrival
	end           context.CancelFunc
	app           sync.WaitGroup
}

func openRelays(ctx context.Context, _ options, b *broker) (pair, error) {
	dir, err := os.MkdirTemp("", "bench-relay-")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	p := &relayPair{dir: dir, processes: map[string]*process{}, spec: make(chan arrival, waitingEvents), end: end}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	topic := newNames().source
	for _, role := range []string{"agent", "source"} {
		socket := filepath.Join(dir, role)
		started, err := start(socket+".log", self, relayCommand, role, b.addr, socket, topic)
		if err == nil {
			p.processes[role] = started
			err = await(answer, func() error { return accepts(socket) })
		}
		if err != nil {
			p.close()
			return nil, err
		}
	}
	p.source, p.agent = socketClient(filepath.Join(dir, "source")), socketClient(filepath.Join(dir, "agent"))
	p.app.Go(func() { p.poll(ctx) })
	return p, nil
}

func accepts(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

func socketClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// poll takes what comes until ctx ends.
func (p *relayPair) poll(ctx context.Context) {
	for ctx.Err() == nil {
		id, err := call(ctx, p.agent, http.MethodGet, "", nil)
		if err == nil {
			p.spec <- arrival{id: id}
		}
	}
}

// call returns the id that comes with the answer.
func call(ctx context.Context, c *http.Client, method, id string, body []byte) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://relay/", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Id", id)
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get("Id"), err
}

func (p *relayPair) put(ctx context.Context, id string, _ int64, spec []byte) error {
	_, err := call(ctx, p.source, http.MethodPut, id, spec)
	return err
}

// answer has nothing to end.
func (p *relayPair) answer(context.Context, arrival, []byte) error { return nil }

func (p *relayPair) specs() <-chan arrival    { return p.spec }
func (p *relayPair) statuses() <-chan arrival { return nil }
func (p *relayPair) pids() map[string]int {
	pids := map[string]int{}
	for role, process := range p.processes {
		pids[role] = process.pid()
	}
	return pids
}

func (p *relayPair) close() {
	p.end()
	for _, process := range p.processes {
		process.stop()
	}
	p.app.Wait()
	_ = os.RemoveAll(p.dir)
}

// relay is the process: it ends when it is stopped.
func relay(role, broker, socket, topic string) error {
	conn, err := net.Dial("tcp", broker)
	if err != nil {
		return err
	}
	received := make(chan *paho.Publish, waitingEvents)
	c := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) { received <- p.Packet; return true, nil },
	}})
	ctx := context.Background()
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: topic + role, CleanStart: true, KeepAlive: 60}); err != nil {
		return err
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		p := <-received
		w.Header().Set("Id", p.Properties.User.Get("id"))
		_, _ = w.Write(p.Payload)
	}
	if role == "source" {
		handler = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			p := &paho.Publish{Topic: topic, QoS: 1, Payload: body, Properties: &paho.PublishProperties{}}
			p.Properties.User.Add("id", r.Header.Get("Id"))
			go func() { _, _ = c.Publish(ctx, p) }()
			_, _ = w.Write(body)
		}
	} else if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}}); err != nil {
		return err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// relayed is main of such a process; false if this is none.
func relayed() bool {
	if len(os.Args) != 6 || os.Args[1] != relayCommand {
		return false
	}
	fmt.Fprintln(os.Stderr, "relay:", relay(os.Args[2], os.Args[3], os.Args[4], os.Args[5]))
	return true
}
