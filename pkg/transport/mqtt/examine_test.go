package mqtt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/testbroker"
)

// examine is what Examine finds for each step; the last of each.
func examine(t *testing.T, o mqtt.Options) map[string]mqtt.Finding {
	t.Helper()
	o.ClientID = "doctor"
	found, err := mqtt.Examine(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]mqtt.Finding{}
	for _, f := range found {
		steps[f.Step] = f
	}
	return steps
}

func wantFault(t *testing.T, f mqtt.Finding, says string) {
	t.Helper()
	if f.Err == nil || !strings.Contains(f.Err.Error(), says) {
		t.Errorf("%s: %+v, want an error that says %q", f.Step, f, says)
	}
}

func TestExamineFindsThatAllIsWell(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	steps := examine(t, sourceOptions(b.Addr()))
	for _, step := range []string{"dns", "tcp", "connect", "subscribe"} {
		if f, there := steps[step]; !there || f.Err != nil || f.Detail == "" || f.Broker != b.URL() {
			t.Errorf("%s: %+v", step, f)
		}
	}
}

// A sidecar that is connected keeps its session, and gets what is for it.
func TestExamineLeavesTheSidecarAlone(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	s := open(t, newDriver(t, sourceOptions(b.Addr())))
	examine(t, sourceOptions(b.Addr()))
	select {
	case <-s.Done():
		t.Errorf("it was thrown out: %v", s.Err())
	case <-time.After(50 * time.Millisecond):
	}
}

func TestExamineFindsWhatIsNotAllowed(t *testing.T) {
	b := startBroker(t, testbroker.Options{Authorize: func(_, topic string, _ bool) bool { return !strings.HasSuffix(topic, "agentbroadcast") }})
	o := sourceOptions(b.Addr())
	o.ClientID = "doctor"
	found, err := mqtt.Examine(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	denied := 0
	for _, f := range found {
		if f.Err != nil {
			denied++
			wantFault(t, f, "give this client the permission to subscribe")
		}
	}
	if denied != 1 {
		t.Errorf("%d faults, want that of the broadcast: %+v", denied, found)
	}
}

func TestExamineStopsAtTheFirstFault(t *testing.T) {
	b := startBroker(t, testbroker.Options{Users: map[string]string{"hub": password}})
	o := sourceOptions(b.Addr())
	o.Username, o.Password = "hub", "wrong-horse"
	steps := examine(t, o)
	wantFault(t, steps["connect"], "check username and password")
	if _, there := steps["subscribe"]; there {
		t.Error("it subscribes without a connection")
	}
	wantFault(t, examine(t, sourceOptions(freeAddr(t)))["tcp"], "check the port")
	wantFault(t, examine(t, sourceOptions("broker.invalid:1883"))["dns"], "check the broker's name")
}

func TestExamineTLS(t *testing.T) {
	ca := newAuthority(t)
	b := startBroker(t, testbroker.Options{TLS: ca.serverTLS(t, nil)})
	trusting := withTLS(t, sourceOptions(b.Addr()), mqtt.TLSOptions{CAData: ca.pem})
	if f := examine(t, trusting)["tls"]; f.Err != nil || !strings.Contains(f.Remark, "renew it") {
		t.Errorf("a certificate of an hour: %+v", f)
	}
	wantFault(t, examine(t, sourceOptions(b.URL()))["tls"], "mqtt.caFile")
	named := withTLS(t, sourceOptions(b.Addr()), mqtt.TLSOptions{CAData: ca.pem, ServerName: "other.test"})
	wantFault(t, examine(t, named)["tls"], "a name of its certificate")
	plain := startBroker(t, testbroker.Options{})
	wantFault(t, examine(t, withTLS(t, sourceOptions(plain.Addr()), mqtt.TLSOptions{CAData: ca.pem}))["tls"], "may not speak TLS")
}

// In a shared subscription a part of what is for the sidecar would go to us.
func TestExamineJoinsNoGroup(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	o := sourceOptions(b.Addr())
	o.Topics.AgentEvents = "$share/hub/" + o.Topics.AgentEvents
	found, err := mqtt.Examine(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if strings.Contains(f.Detail, "$share") || f.Err != nil {
			t.Errorf("%+v", f)
		}
	}
}
