package localapi

import (
	"fmt"
	"testing"
)

func TestTheThrottleCountsByAddress(t *testing.T) {
	th := newThrottle()
	for i := range addressBurst {
		if th.take(fmt.Sprintf("10.0.0.1:%d", 1000+i)) != 0 {
			t.Fatalf("refusal %d is too many", i)
		}
	}
	if th.take("10.0.0.1:1") == 0 || th.take("[::ffff:10.0.0.1]:1") == 0 {
		t.Error("no limit for an address")
	}
	if th.take("10.0.0.2:1") != 0 {
		t.Error("another address is held up")
	}
	for range addressBurst {
		th.take("[2001:db8::1]:1")
	}
	if th.take("[2001:db8::ffff]:1") == 0 {
		t.Error("the other half of an IPv6 network has its own limit")
	}
}

func TestTheThrottleCountsAll(t *testing.T) {
	th, let := newThrottle(), 0
	for i := range 2 * allBurst {
		if th.take(fmt.Sprintf("10.1.%d.%d:1", i/250, i%250)) == 0 {
			let++
		}
	}
	if let < allBurst || let > allBurst+allRefusals {
		t.Errorf("%d refusals were told, want about %d", let, allBurst)
	}
}

func TestTheThrottleIsBounded(t *testing.T) {
	th := newThrottle()
	for i := range 10 * mostAddresses {
		th.take(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if n := len(th.young) + len(th.old); n > 2*mostAddresses {
		t.Errorf("it remembers %d addresses", n)
	}
	th.take("not an address")
}
