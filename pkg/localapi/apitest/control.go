package apitest

import (
	"context"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Role is localapi.Control.
func (b *Backend) Role() resource.Role { return b.role }

// Resync is localapi.Control.
func (b *Backend) Resync(_ context.Context, req resource.ResyncRequest) error {
	if err := b.fail("Resync"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called.resyncs = append(b.called.resyncs, req)
	return nil
}

// Resyncs is what Resync was asked.
func (b *Backend) Resyncs() []resource.ResyncRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.called.resyncs)
}

// Synced is localapi.Control.
func (b *Backend) Synced(_ context.Context, scope resource.Scope) error {
	if err := b.only(resource.Source, "synced"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called.scopes = append(b.called.scopes, scope)
	return nil
}

// Status is localapi.Control.
func (b *Backend) Status() resource.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	status := b.Info
	status.Store.Synced = slices.Clone(b.called.scopes)
	status.Resources.Total = len(b.items)
	return status
}

// Ready is localapi.Control.
func (b *Backend) Ready() []resource.Check {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.Checks)
}

// SetCheck makes a check fail, or pass with nil.
func (b *Backend) SetCheck(name string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.Checks {
		if b.Checks[i].Name == name {
			b.Checks[i].Err = err
		}
	}
}

// Shutdown is localapi.Control.
func (b *Backend) Shutdown() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called.shutdown++
}

// Shutdowns is how often Shutdown was called.
func (b *Backend) Shutdowns() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.called.shutdown
}
