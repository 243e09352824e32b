package mqtt_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
)

func TestOptionsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*mqtt.Options){
		"role":                  func(o *mqtt.Options) { o.Role = "boss" },
		"client id":             func(o *mqtt.Options) { o.ClientID = strings.Repeat("x", 1<<16) },
		"no broker":             func(o *mqtt.Options) { o.Brokers = nil },
		"pubQoS 3":              func(o *mqtt.Options) { o.PubQoS = 3 },
		"subQoS 9":              func(o *mqtt.Options) { o.SubQoS = 9 },
		"keepAlive 1.5s":        func(o *mqtt.Options) { o.KeepAlive = 1500 * time.Millisecond },
		"keepAlive 20h0m0s":     func(o *mqtt.Options) { o.KeepAlive = 20 * time.Hour },
		"sessionExpiry":         func(o *mqtt.Options) { o.SessionExpiry = -time.Second },
		"dialTimeout":           func(o *mqtt.Options) { o.DialTimeout = -1 },
		"buffer":                func(o *mqtt.Options) { o.Buffer = -1 },
		"maxPacketBytes":        func(o *mqtt.Options) { o.MaxPacketBytes = 1 << 30 },
		"sourceEvents":          func(o *mqtt.Options) { o.Topics.SourceEvents = "a/b" },
		"scheme":                func(o *mqtt.Options) { o.Brokers = []string{"http://broker:1883"} },
		"only ws and wss":       func(o *mqtt.Options) { o.Brokers = []string{"mqtt://broker/path"} },
		"neither host:port nor": func(o *mqtt.Options) { o.Brokers = []string{"mqtt://:1883"} },
		"holds credentials":     func(o *mqtt.Options) { o.Brokers = []string{"mqtt://me:hush@broker"} },
	} {
		o := sourceOptions("broker:1883")
		change(&o)
		_, err := mqtt.New(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("error %q holds credentials", err)
		}
	}
}

func TestQoS0IsRaised(t *testing.T) {
	var log bytes.Buffer
	o := sourceOptions("broker:1883")
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	newDriver(t, o)
	for _, want := range []string{"raised to 1", "pubQoS", "subQoS"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q does not say %q", log.String(), want)
		}
	}
}
