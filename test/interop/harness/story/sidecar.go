package story

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/interop/harness"
	"github.com/pillion-dev/pillion/test/interop/harness/fleet"
)

// sidecarPeer is what the sidecar's source and agent have in common: a process
// behind a gate, driven through its local API.
type sidecarPeer struct {
	*harness.Sidecar
	link fleet.Link
	gate *harness.Gate
}

// Start starts the process, again with what it has on disk.
func (p *sidecarPeer) Start(t testing.TB) {
	t.Helper()
	p.gate = harness.NewGate(t, p.link.Broker)
	p.Sidecar.Start(t, p.gate.Addr)
}

// Stop ends the process in an orderly way.
func (p *sidecarPeer) Stop(t testing.TB) {
	t.Helper()
	p.Sidecar.Stop(t)
	if p.gate != nil {
		p.gate.Hold()
	}
}

// Gate is that of the present process.
func (p *sidecarPeer) Gate() *harness.Gate { return p.gate }

// Get asks the local API.
func (p *sidecarPeer) Get(t testing.TB, id string) (fleet.Device, bool) {
	t.Helper()
	res, found, err := p.API.Get(p.key(id))
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return fleet.Device{}, false
	}
	return deviceOf(res), true
}

func (p *sidecarPeer) key(id string) harness.Key {
	return harness.Key{DataType: fleet.DataType, Cluster: p.link.Cluster, ID: id}
}

// keyOf is for an agent that serves several sources.
func (p *sidecarPeer) keyOf(source, id string) harness.Key {
	key := p.key(id)
	key.Source = source
	return key
}

func deviceOf(res *harness.Resource) fleet.Device {
	d := fleet.Device{
		ID: res.ID, Source: res.Source, Cluster: res.Cluster, Version: res.Version, Spec: res.Spec,
		StatusVersion: res.StatusVersion, SequenceID: res.SequenceID,
	}
	if len(res.Status) > 0 && string(res.Status) != "null" {
		d.Status = res.Status
	}
	if res.DeletionTimestamp != nil {
		d.DeletedAt = *res.DeletionTimestamp
	}
	return d
}

// SidecarSource is a sidecar in the role of a source.
type SidecarSource struct{ sidecarPeer }

// NewSidecarSource prepares one.
func NewSidecarSource(t testing.TB, link fleet.Link, options Options) *SidecarSource {
	t.Helper()
	config := harness.SidecarConfig{Role: "source", ID: link.Source, DataTypes: []string{fleet.DataType}, SessionExpiry: options.SessionExpiry}
	options.setTopics(&config, link.Layout, link.Layout.ForSource(link.Source))
	return &SidecarSource{sidecarPeer{Sidecar: harness.NewSidecar(t, config), link: link}}
}

// Put is PUT.
func (s *SidecarSource) Put(t testing.TB, id string, spec json.RawMessage) {
	t.Helper()
	if _, err := s.API.Put(s.key(id), spec, nil); err != nil {
		t.Fatal(err)
	}
}

// Delete is DELETE.
func (s *SidecarSource) Delete(t testing.TB, id string) {
	t.Helper()
	must(t, s.API.Delete(s.key(id)))
}

// Forget is DELETE with force.
func (s *SidecarSource) Forget(t testing.TB, id string) {
	t.Helper()
	must(t, s.API.Forget(s.key(id)))
}

// awaitPublished waits until the sidecar knows that the broker has taken what
// it published of a resource after a moment. A resync request that comes
// earlier, while that is in flight, is answered by sending it once more as it
// is, and not by a resync response.
func (s *SidecarSource) awaitPublished(t *testing.T, id string, after time.Time) {
	t.Helper()
	eventually(t, id+" is published", func() error {
		res, found, err := s.API.Get(s.key(id))
		switch {
		case err != nil:
			return err
		case !found:
			return errors.New("the source does not have it")
		case res.Sync.PublishedAt == nil || res.Sync.PublishedAt.Before(after):
			return fmt.Errorf("published at %v", res.Sync.PublishedAt)
		}
		return nil
	})
}

// awaitObserved waits until the sidecar says that the present version has been
// seen by the agent.
func (s *SidecarSource) awaitObserved(t *testing.T, id string) {
	t.Helper()
	eventually(t, id+" is observed", func() error {
		res, found, err := s.API.Get(s.key(id))
		if err == nil && (!found || res.Sync.State != "observed") {
			err = fmt.Errorf("found %t, sync %+v", found, res.Sync)
		}
		return err
	})
}

// Resync asks the cluster for statuses.
func (s *SidecarSource) Resync(t testing.TB) {
	t.Helper()
	must(t, s.API.Resync("cluster", s.link.Cluster))
}

// SidecarAgent is a sidecar in the role of an agent.
type SidecarAgent struct{ sidecarPeer }

// NewSidecarAgent prepares one.
func NewSidecarAgent(t testing.TB, link fleet.Link, options Options) *SidecarAgent {
	t.Helper()
	config := harness.SidecarConfig{Role: "agent", ID: link.Agent, Cluster: link.Cluster, DataTypes: []string{fleet.DataType}, SessionExpiry: options.SessionExpiry}
	options.setTopics(&config, link.Layout, link.Layout.ForAgent(link.Source, link.Cluster))
	return &SidecarAgent{sidecarPeer{Sidecar: harness.NewSidecar(t, config), link: link}}
}

// Report is PUT …/status.
func (a *SidecarAgent) Report(t testing.TB, id string, status json.RawMessage) {
	t.Helper()
	must(t, a.API.PutStatus(a.key(id), status))
}

// Confirm is DELETE; 404 means that it is gone already.
func (a *SidecarAgent) Confirm(t testing.TB, id string) {
	t.Helper()
	err := a.API.Delete(a.key(id))
	if failed, ok := err.(*harness.APIError); ok && failed.Status == http.StatusNotFound {
		return
	}
	must(t, err)
}

// Resync asks the source for specs.
func (a *SidecarAgent) Resync(t testing.TB) {
	t.Helper()
	must(t, a.API.Resync("source", a.link.Source))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
