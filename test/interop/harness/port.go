package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports that listeners get: below the range that the kernel gives to outgoing
// connections, so that a broker finds its port free when it is started again.
const (
	firstPort = 15000
	lastPort  = 30000
)

var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// freeAddr is a loopback address that nobody listens on, given once in the
// life of this process.
func freeAddr(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if ports.given[port] || !free(addr) {
			continue
		}
		ports.given[port] = true
		return addr
	}
	t.Fatal("no free port")
	return ""
}

// free asks by dialling: a listener of ours, closed at once, could live on for a
// moment in a child that another test is just starting.
func free(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}
