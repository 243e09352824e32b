package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// Defaults of Options (docs/api.md, Configuration).
const (
	DefaultKeepAlive   = 60 * time.Second
	DefaultDialTimeout = 10 * time.Second
	DefaultBuffer      = 256
)

// maxInFlight bounds our publishes that wait for their confirmation, whatever
// the broker would take.
const maxInFlight = 256

// Options of a Driver.
type Options struct {
	Role    resource.Role
	ID      string // source or agent id
	Cluster string // of an agent
	Topics  topics.Topics

	// Brokers are tried in turn: host:port, or a URL with mqtt, mqtts, ws or
	// wss (whose path is kept). Without a scheme it is mqtt. When TLS is given,
	// all of them use TLS.
	Brokers  []string
	ClientID string // "" = <ID>-client
	Username string
	Password string
	TLS      *tls.Config // nil = none given; TLSOptions makes one

	KeepAlive     time.Duration // whole seconds; 0 = 60 s
	DialTimeout   time.Duration // from the first packet of TCP to CONNACK; 0 = 10 s
	PubQoS        byte          // 1 or 2; 0 is raised to 1
	SubQoS        byte          // 1 or 2; 0 is raised to 1
	SessionExpiry time.Duration // how long the broker keeps the session; whole seconds; 0 = clean start

	// MaxPacketBytes is the largest packet of ours and the largest that we let
	// the broker send; 0 = no limit of ours.
	MaxPacketBytes int
	Buffer         int          // deliveries that may wait, and our receive maximum; 0 = 256
	Log            *slog.Logger // nil = silent

	ackTimeout time.Duration // for tests; 0 = the rule
}

// withDefaults fills in what is left out, and checks.
func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ClientID == "" && o.ID != "" {
		o.ClientID = o.ID + "-client"
	}
	o.KeepAlive = orDefault(o.KeepAlive, DefaultKeepAlive)
	o.DialTimeout = orDefault(o.DialTimeout, DefaultDialTimeout)
	o.Buffer = orDefault(o.Buffer, DefaultBuffer)
	o.ackTimeout = orDefault(o.ackTimeout, ackTimeout)
	o.PubQoS = o.atLeastOnce("pubQoS", o.PubQoS)
	o.SubQoS = o.atLeastOnce("subQoS", o.SubQoS)
	return o, o.validate()
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// atLeastOnce raises QoS 0: the outbox needs to know what the broker has.
func (o Options) atLeastOnce(name string, qos byte) byte {
	if qos != 0 {
		return qos
	}
	o.Log.Warn("QoS 0 is raised to 1, because events must not get lost", "setting", name)
	return 1
}

func (o Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Role == resource.Source || o.Role == resource.Agent, "role %.20q is neither source nor agent", o.Role)
	check(o.ClientID != "" && len(o.ClientID) <= math.MaxUint16, "client id must have 1 to %d bytes: set id or mqtt.clientID", math.MaxUint16)
	check(o.Role != resource.Agent || o.Cluster != "", "an agent needs a cluster")
	check(len(o.Brokers) > 0, "no broker is given")
	check(o.PubQoS <= 2, "pubQoS %d is not 0, 1 or 2", o.PubQoS)
	check(o.SubQoS <= 2, "subQoS %d is not 0, 1 or 2", o.SubQoS)
	check(wholeSeconds(o.KeepAlive, math.MaxUint16), "keepAlive %s is not 1 to %d whole seconds", o.KeepAlive, math.MaxUint16)
	check(o.SessionExpiry == 0 || wholeSeconds(o.SessionExpiry, math.MaxUint32), "sessionExpiry %s is not a number of whole seconds", o.SessionExpiry)
	check(o.DialTimeout > 0, "dialTimeout %s is not positive", o.DialTimeout)
	check(o.Buffer > 0 && o.Buffer <= math.MaxUint16, "buffer %d is not 1 to %d", o.Buffer, math.MaxUint16)
	check(o.MaxPacketBytes >= 0 && o.MaxPacketBytes <= maxPacketSize, "maxPacketBytes %d is not 0 to %d", o.MaxPacketBytes, maxPacketSize)
	check(len(o.Username) <= math.MaxUint16 && len(o.Password) <= math.MaxUint16, "user name or password has more than %d bytes", math.MaxUint16)
	return errors.Join(errs...)
}

func wholeSeconds(d time.Duration, most int64) bool {
	return d > 0 && d%time.Second == 0 && int64(d/time.Second) <= most
}
