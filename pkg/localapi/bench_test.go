package localapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// BenchmarkPutThenLease is the way of a change to an app, without a broker in
// between: one client puts 2 KiB, and another has it from a long poll.
func BenchmarkPutThenLease(b *testing.B) {
	backend := leasesPuts{apitest.New(resource.Source)}
	socket := apitest.Serve(b, localapi.Options{Backend: backend})
	putter, leaser := client.New(socket), client.New(socket)
	defer putter.Close()
	defer leaser.Close()
	text := strings.Repeat("x", 2<<10)
	leased := make(chan error)
	go func() {
		for {
			items, err := leaser.Lease(context.Background(), resource.LeaseRequest{Queue: apitest.Queue, Max: 1, Wait: time.Minute})
			if err == nil && len(items) == 0 {
				close(leased)
				return
			}
			leased <- err
		}
	}()
	spec := [2]string{`{"text":"` + text + `"}`, `{"text":"y` + text + `"}`}
	i := 0
	for b.Loop() {
		i++
		_, _, err := putter.Put(context.Background(), resource.PutRequest{Key: devKey, Spec: resource.Payload{Data: []byte(spec[i%2])}})
		if err != nil {
			b.Fatal(err)
		}
		if err := <-leased; err != nil {
			b.Fatal(err)
		}
	}
	backend.stop()
	<-leased
}

// leasesPuts is a source whose queue has what is put to it, as an agent's has
// what comes from the broker.
type leasesPuts struct{ *apitest.Backend }

func (b leasesPuts) Put(ctx context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	res, created, err := b.Backend.Put(ctx, req)
	if err == nil {
		_, err = b.Requeue(ctx, resource.RequeueRequest{Queue: apitest.Queue, Key: &res.Key})
	}
	return res, created, err
}

func (b leasesPuts) stop() { b.StopLeasing() }
