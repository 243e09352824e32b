//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// TestBadConfiguration: a configuration with a fault is refused at the start,
// with the line and what is wrong.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	const good = "role: source\nid: hub1\nmqtt:\n  brokerHost: 127.0.0.1:1\ndataTypes: [" + devices + "]\n"
	for name, story := range map[string]struct {
		text string
		says []string
	}{
		"unknown key":   {good + "keepalive: 3\n", []string{":6", "keepalive"}},
		"nested key":    {strings.Replace(good, "  broker", "  pasword: x\n  broker", 1), []string{":4", "pasword"}},
		"invalid topic": {strings.Replace(good, "dataTypes", "  topics:\n    sourceEvents: sources/+/clusters/+/sourceevents\ndataTypes", 1), []string{":6", "sourceEvents"}},
		"no broker":     {"role: source\nid: hub1\ndataTypes: [" + devices + "]\n", []string{"brokerHost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t, resource.Source, "127.0.0.1:1", nil)
			s.writeConfig(t, story.text)
			s.launch(t)
			if code := s.proc.exits(t, 10*time.Second); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if out := s.proc.output(t); !holdsAll(out, story.says) {
				t.Errorf("it says %q, which does not hold %q", out, story.says)
			}
		})
	}
}

// TestHugeSpec: a spec above the limit is refused, and nothing else suffers.
func TestHugeSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t, startBroker(t, embedded))
	huge := fmt.Appendf(nil, `{"filling":%q}`, bytes.Repeat([]byte("x"), 20<<20))
	_, _, err := w.source.api.Put(context.Background(), resource.PutRequest{Key: deviceKey("huge"), Spec: resource.Payload{Data: huge}})
	if code := resource.CodeOf(err); code != resource.TooLarge {
		t.Errorf("a spec of 20 MiB: %v, want %s", err, resource.TooLarge)
	}
	w.whilePutting(func() { time.Sleep(300 * time.Millisecond) })
	w.settle()
	if m := w.source.proc.memory(t); m.rss > 120<<20 {
		t.Errorf("after the refusal the source has %s", m)
	}
}

// TestWrongPassword: the broker says no, the sidecar says why, and goes on
// trying.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	b := startBroker(t, mosquitto, "allow_anonymous false", "password_file "+passwords(t, "alice", "right"))
	const wrong = "wr0ng-passw0rd"
	s := newSidecar(t, resource.Source, b.addr, settings{"mqtt": settings{"username": "alice", "password": wrong}})
	s.start(t)
	eventually(t, patience, "the status says why", func() error {
		c := s.status(t).Connection
		return expect(strings.Contains(c.LastError, "may not connect") && c.Attempt > 2, "attempt %d: %s", c.Attempt, c.LastError)
	})
	if err := s.api.Ready(context.Background()); err == nil || !strings.Contains(err.Error(), "broker") {
		t.Errorf("readyz says %v, want the broker as a cause", err)
	}
	if strings.Contains(s.proc.output(t), wrong) {
		t.Error("the log holds the password")
	}
	s.configure(t, settings{"mqtt": settings{"password": "right"}})
	s.waitReady(t)
}

// TestPacketTooLarge: what is above the broker's limit is set aside with a word
// about why, and everything else goes on.
func TestPacketTooLarge(t *testing.T) {
	for name, limit := range map[string]string{
		"of a packet":  "max_packet_size 20000",
		"of a message": "message_size_limit 20000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, startBroker(t, mosquitto, limit))
			big := fmt.Appendf(nil, `{"filling":%q}`, bytes.Repeat([]byte("x"), 100<<10))
			put := func(spec []byte) {
				t.Helper()
				if _, _, err := w.source.api.Put(context.Background(), resource.PutRequest{Key: deviceKey("big"), Spec: resource.Payload{Data: spec}}); err != nil {
					t.Fatal(err)
				}
			}
			put(big)
			eventually(t, patience, "sync.error says that it is too large", func() error {
				r, err := w.source.api.Get(context.Background(), deviceKey("big"))
				if err != nil {
					return err
				}
				return expect(strings.Contains(r.Sync.Error, "large") || strings.Contains(r.Sync.Error, "maximum packet size"), "it says %q", r.Sync.Error)
			})
			since := w.source.status(t).Connection.Since
			w.whilePutting(func() { time.Sleep(300 * time.Millisecond) })
			put([]byte(`{"small":true}`))
			eventually(t, patience, "the smaller spec is observed", func() error {
				r, err := w.source.api.Get(context.Background(), deviceKey("big"))
				if err != nil {
					return err
				}
				return expect(r.Sync.State == resource.Observed && r.Sync.Error == "", "it is %s: %s", r.Sync.State, r.Sync.Error)
			})
			if now := w.source.status(t).Connection.Since; !now.Equal(since) {
				t.Errorf("the connection broke: it is up since %s, and was since %s", now, since)
			}
		})
	}
}

// TestMalformedEvents: what cannot be taken is counted by its reason and
// logged, and the sidecar goes on.
func TestMalformedEvents(t *testing.T) {
	overBrokers(t, func(t *testing.T, kind brokerKind) {
		w := newWorld(t, startBroker(t, kind))
		p := newPublisher(t, w.broker.addr)
		const toSource, toAgent = "sources/hub1/clusters/cluster1/agentevents", "sources/hub1/clusters/cluster1/sourceevents"
		spec := map[string]string{"type": devices + ".spec.create_request", "source": sourceID, "clustername": clusterName, "resourceid": "x", "resourceversion": "1"}
		status := map[string]string{"type": devices + ".status.update_request", "source": "agent1", "clustername": clusterName,
			"originalsource": sourceID, "resourceid": "x", "resourceversion": "1", "sequenceid": "1"}
		for _, c := range []struct {
			name, topic string
			attributes  map[string]string
			payload     string
			at          *sidecar
			reason      string
		}{
			{"nothing", toAgent, nil, "", w.agent, "undecodable"},
			{"garbage", toSource, nil, "\x00\xff{", w.source, "undecodable"},
			{"no type", toAgent, without(spec, "type"), "{}", w.agent, "undecodable"},
			{"strange type", toSource, with(status, "type", "hello"), "{}", w.source, "undecodable"},
			{"version in words", toAgent, with(spec, "resourceversion", "one"), "{}", w.agent, "undecodable"},
			{"status to an agent", toAgent, with(spec, "type", devices+".status.update_request"), "{}", w.agent, "unexpected_type"},
			{"foreign cluster", toAgent, with(spec, "clustername", "cluster2"), "{}", w.agent, "foreign_cluster"},
			{"foreign source", toSource, with(status, "originalsource", "hub2"), "{}", w.source, "foreign_source"},
			{"spec not JSON", toAgent, spec, "{", w.agent, "payload"},
			{"status not an object", toSource, status, "[]", w.source, "payload"},
			{"another data type", toAgent, with(spec, "type", "a.v1.b.spec.create_request"), "{}", w.agent, "data_type"},
		} {
			label := fmt.Sprintf("reason=%q", c.reason)
			before := c.at.metric(t, "sidecar_events_dropped_total", label)
			p.publish(t, c.topic, c.attributes, c.payload)
			eventually(t, 10*time.Second, c.name+" is counted as "+c.reason, func() error {
				now := c.at.metric(t, "sidecar_events_dropped_total", label)
				return expect(now == before+1, "it was %v and is %v", before, now)
			})
		}
		w.agent.waitLogged(t, "dropped an event", "reason=undecodable")
		w.source.waitLogged(t, "dropped an event", "reason=foreign_source")
		w.whilePutting(func() { time.Sleep(300 * time.Millisecond) })
		w.settle()
	})
}

func with(attributes map[string]string, name, value string) map[string]string {
	changed := without(attributes, name)
	changed[name] = value
	return changed
}

func without(attributes map[string]string, name string) map[string]string {
	changed := map[string]string{}
	for key, value := range attributes {
		if key != name {
			changed[key] = value
		}
	}
	return changed
}

// publisher is a client of the broker that says anything.
type publisher struct{ client *paho.Client }

func newPublisher(t testing.TB, addr string) *publisher {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	if _, err := client.Connect(context.Background(), &paho.Connect{ClientID: "stranger", CleanStart: true, KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(&paho.Disconnect{}) })
	return &publisher{client}
}

func (p *publisher) publish(t testing.TB, topic string, attributes map[string]string, payload string) {
	t.Helper()
	message := &paho.Publish{QoS: 1, Topic: topic, Payload: []byte(payload), Properties: &paho.PublishProperties{}}
	if attributes != nil {
		message.Properties.ContentType = resource.JSONContentType
		for name, value := range with(with(attributes, "id", "1"), "specversion", "1.0") {
			message.Properties.User.Add("ce-"+name, value)
		}
	}
	if _, err := p.client.Publish(context.Background(), message); err != nil {
		t.Fatal(err)
	}
}

// passwords is a password file of mosquitto.
func passwords(t testing.TB, name, password string) (path string) {
	t.Helper()
	path = filepath.Join(tempDir(t), "passwords")
	setPassword(t, path, name, password)
	return path
}
