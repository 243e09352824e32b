//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// putEvery is the pace of a source app.
const putEvery = 20 * time.Millisecond

// sourceApp declares resources at a source, new ones and updates in turn, for
// as long as it runs, and takes the statuses from the queue. A call that is not
// answered, or answered with what may be repeated, is repeated until it is.
type sourceApp struct {
	*ledger
	api *client.Client

	mu       sync.Mutex
	declared map[string]*declaration
	ids      []string
	made     int // ids
	counter  int
}

// declaration is what the app wants, and has been promised.
type declaration struct {
	digest string // of the spec
	acked  int64  // version in the latest answer
}

func newSourceApp(api *client.Client) *sourceApp {
	return &sourceApp{ledger: newLedger("source app"), api: api, declared: map[string]*declaration{}}
}

// putForever puts until ctx ends.
func (a *sourceApp) putForever(ctx context.Context) {
	ticker := time.NewTicker(putEvery)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if i%2 == 0 {
			a.put(ctx, a.newID())
		} else {
			a.put(ctx, a.anyID())
		}
	}
}

func (a *sourceApp) newID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := fmt.Sprintf("dev-%d", a.made)
	a.made++
	a.ids = append(a.ids, id)
	return id
}

func (a *sourceApp) anyID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ids[rand.IntN(len(a.ids))]
}

// filling makes a spec about 2 KiB long.
var filling = strings.Repeat("x", 2000)

// put declares a new spec and waits for the answer, however often it must ask.
// The end of ctx does not cut a call off: one that nobody waits for can still be
// stored after the call that follows it.
func (a *sourceApp) put(ctx context.Context, id string) {
	a.mu.Lock()
	a.counter++
	spec := fmt.Appendf(nil, `{"n":%d,"filling":%q}`, a.counter, filling)
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for {
		r, _, err := a.api.Put(ctx, resource.PutRequest{Key: deviceKey(id), Spec: resource.Payload{Data: spec}})
		switch {
		case err == nil:
			a.acknowledged(id, digest(spec), r.Version)
			return
		case ctx.Err() != nil || !mayRepeat(err):
			a.fault("put %s: %v", id, err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// mayRepeat tells whether docs/api.md lets a call be repeated after the error.
func mayRepeat(err error) bool {
	switch resource.CodeOf(err) {
	case resource.Unavailable, resource.TooManyRequests, resource.DeadlineExceeded, resource.DiskFull:
		return true
	}
	return false
}

func (a *sourceApp) acknowledged(id, digest string, version int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.declared[id]
	if d == nil {
		d = &declaration{}
		a.declared[id] = d
	}
	if version <= d.acked {
		a.fault("a write of %s was lost: version %d was answered, and later %d", id, d.acked, version)
	}
	d.digest, d.acked = digest, version
}

// wants is a copy of what is declared.
func (a *sourceApp) wants() map[string]declaration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted := make(map[string]declaration, len(a.declared))
	for id, d := range a.declared {
		wanted[id] = *d
	}
	return wanted
}

// forgetVersions is for a source that was put back to an earlier time.
func (a *sourceApp) forgetVersions() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.declared {
		d.acked = 0
	}
	a.forget()
}

// drop no longer wants a resource.
func (a *sourceApp) drop(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.declared, id)
	a.ids = slices.DeleteFunc(a.ids, func(other string) bool { return other == id })
}

// work takes statuses until ctx ends.
func (a *sourceApp) work(ctx context.Context) {
	for ctx.Err() == nil {
		life := a.currentLife()
		items, err := a.api.Lease(ctx, resource.LeaseRequest{Queue: "resources", Max: 16, Wait: time.Second})
		if err != nil {
			pause(ctx)
			continue
		}
		for _, item := range items {
			if !a.leased(item, life) {
				continue
			}
			a.checkStatus(item)
			a.answering(item.Key, life)
			if err := a.api.Answer(ctx, item.Lease, resource.WorkResult{}); refused(err) && ctx.Err() == nil && life == a.currentLife() {
				a.fault("answer for %s: %v", item.Key.ID, err)
			}
		}
	}
}

// checkStatus compares what the agent's app said with what is said about it.
func (a *sourceApp) checkStatus(item resource.LeaseItem) {
	if item.Object == nil || item.Object.Status == nil {
		return
	}
	var said report
	if err := json.Unmarshal(item.Object.Status, &said); err != nil {
		a.fault("status of %s: %v", item.Key.ID, err)
	}
	if said.Version != item.Object.StatusVersion {
		a.fault("the status of %s is shown as of version %d and was made for %d", item.Key.ID, item.Object.StatusVersion, said.Version)
	}
}

// refused tells an answer that says no from none.
func refused(err error) bool {
	return err != nil && !mayRepeat(err) && !errors.Is(err, context.Canceled)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}

func deviceKey(id string) resource.Key {
	return resource.Key{DataType: devices, Cluster: clusterName, ID: id}
}
