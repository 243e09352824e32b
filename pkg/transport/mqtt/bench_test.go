package mqtt_test

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// processorTime is what this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPublish sends specs of 2 KiB to a mosquitto that has no subscriber;
// cpu-µs/op is the driver's processor time, all goroutines together.
func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 16} {
		b.Run(fmt.Sprint(publishers), func(b *testing.B) {
			s := open(b, newDriver(b, sourceOptions(startMosquitto(b).addr)))
			b.ReportAllocs()
			before := processorTime()
			publishMany(b, s, publishers, b.N)
			b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkReceive takes and acknowledges specs of 2 KiB; cpu-µs/op is for
// publishing and receiving one.
func BenchmarkReceive(b *testing.B) {
	addr := startMosquitto(b, "max_queued_messages 0").addr
	source, agent := open(b, newDriver(b, sourceOptions(addr))), open(b, newDriver(b, agentOptions(addr)))
	b.ReportAllocs()
	before := processorTime()
	var taking sync.WaitGroup
	taking.Go(func() {
		for range b.N {
			d := <-agent.Received()
			d.Ack()
		}
	})
	publishMany(b, source, 16, b.N)
	taking.Wait()
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func publishMany(b *testing.B, s transport.Session, publishers, count int) {
	payload := append(append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), 2040)...), `"}`...)
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for n := p; n < count; n += publishers {
				e := spec(int64(n))
				e.Payload.Data = payload
				if _, err := s.Publish(b.Context(), e); err != nil {
					b.Errorf("publish: %v", err)
					return
				}
			}
		})
	}
	running.Wait()
}
