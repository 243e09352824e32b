package localapi

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many refusals are told with 401: of one address, and of all.
const (
	addressRefusals, addressBurst = 5, 50 // a second, and at once
	allRefusals, allBurst         = 50, 500
)

// mostAddresses bounds the memory of a throttle: of two generations of
// addresses the older is forgotten when the younger is full.
const mostAddresses = 1024

// throttle counts refusals by remote address.
type throttle struct {
	mu         sync.Mutex
	all        *rate.Limiter
	young, old map[netip.Prefix]*rate.Limiter
}

func newThrottle() *throttle {
	return &throttle{all: rate.NewLimiter(allRefusals, allBurst), young: map[netip.Prefix]*rate.Limiter{}}
}

// take counts a refusal. It returns how long its caller should be away if there
// were too many; 0 = there were not.
func (t *throttle) take(remote string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(network(remote))
	if one.Allow() && t.all.Allow() {
		return 0
	}
	return time.Second
}

// of is the limiter of an address.
func (t *throttle) of(address netip.Prefix) *rate.Limiter {
	if l := t.young[address]; l != nil {
		return l
	}
	l := t.old[address]
	if l == nil {
		l = rate.NewLimiter(addressRefusals, addressBurst)
	}
	if len(t.young) >= mostAddresses {
		t.old, t.young = t.young, make(map[netip.Prefix]*rate.Limiter)
	}
	t.young[address] = l
	return l
}

// network is the address that refusals are counted by: of IPv6 the first half,
// all of which one machine can have.
func network(remote string) netip.Prefix {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := address.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
