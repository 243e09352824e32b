package mqtt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// Driver opens sessions, one after the other. It lives across them: it knows
// which broker is next, and what the session at the broker holds.
type Driver struct {
	options   Options
	addresses []address
	topics    *topicNames
	packetIDs atomic.Uint32 // the last one used, so that a resumed session does not see it again soon
	finished  atomic.Bool   // the last session had no publish in flight when it ended

	mu         sync.Mutex
	current    int             // index of the broker to dial
	subscribed map[string]bool // filters that the broker's session may hold
}

var _ transport.Driver = (*Driver)(nil)

// New checks the options; it does not connect. All faults are reported.
func New(o Options) (*Driver, error) {
	o, err := o.withDefaults()
	errs := []error{err, o.Topics.Validate(o.Role, o.ID, o.Cluster)}
	o.Topics = o.Topics.Resolve(o.Role, o.ID, o.Cluster)
	d := &Driver{options: o, topics: newTopicNames(o), subscribed: map[string]bool{}}
	for _, broker := range o.Brokers {
		a, err := parseAddress(broker, o.TLS != nil)
		d.addresses, errs = append(d.addresses, a), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("MQTT settings: %w", err)
	}
	return d, nil
}

// Inherit takes over from the driver of an earlier configuration, which must
// not dial any more: what the broker's session holds, and the broker that
// worked. To be called before the first Dial.
func (d *Driver) Inherit(old *Driver) {
	old.mu.Lock()
	subscribed, worked := maps.Clone(old.subscribed), old.addresses[old.current]
	old.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(d.subscribed, subscribed)
	d.packetIDs.Store(old.packetIDs.Load())
	if i := slices.Index(d.addresses, worked); i >= 0 {
		d.current = i
	}
}

// Dial is part of the contract, transport.Driver. It tries one broker; after a
// failure the next Dial tries the next one.
func (d *Driver) Dial(ctx context.Context) (transport.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.DialTimeout)
	defer cancel()
	broker := d.broker()
	d.options.Log.Debug("connecting", "broker", broker.String())
	s, err := d.open(ctx, broker)
	if err == nil {
		return s, nil
	}
	d.next(broker)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in time: %w", err)
	}
	return nil, fmt.Errorf("connect to broker %s: %w", broker, err)
}

// Broker is part of the contract, transport.Driver.
func (d *Driver) Broker() string { return d.broker().String() }

func (d *Driver) broker() address {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addresses[d.current]
}

// next leaves the broker for the one after it, unless that has happened.
func (d *Driver) next(failed address) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.addresses[d.current] == failed {
		d.current = (d.current + 1) % len(d.addresses)
	}
}

// leftovers are the filters in the broker's session that are not wanted.
func (d *Driver) leftovers(wanted []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var unwanted []string
	for filter := range d.subscribed {
		if !slices.Contains(wanted, filter) {
			unwanted = append(unwanted, filter)
		}
	}
	slices.Sort(unwanted)
	return unwanted
}

func (d *Driver) setSubscribed(filters ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.subscribed)
	for _, filter := range filters {
		d.subscribed[filter] = true
	}
}
