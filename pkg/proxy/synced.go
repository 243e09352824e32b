package proxy

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

const (
	syncedSetting = "synced"
	mostScopes    = 10000
)

// scopes is what the app said that it has declared completely.
func (p *Proxy) scopes() []resource.Scope { return decodeScopes(p.store.Setting(syncedSetting)) }

func decodeScopes(data []byte) []resource.Scope {
	scopes := []resource.Scope{}
	if len(data) > 0 {
		_ = json.Unmarshal(data, &scopes) // written by Synced only
	}
	return scopes
}

// Synced remembers that the app has declared everything in a scope.
func (p *Proxy) Synced(ctx context.Context, scope resource.Scope) error {
	if p.opts.Role != resource.Source {
		return errDeclares()
	}
	err := p.store.Update(ctx, func(tx *store.Tx) error {
		scopes := decodeScopes(tx.Setting(syncedSetting))
		if slices.ContainsFunc(scopes, func(s resource.Scope) bool { return s == (resource.Scope{}) || s == scope }) {
			return nil
		}
		if scope == (resource.Scope{}) {
			scopes = nil // it covers them all
		}
		if len(scopes) >= mostScopes {
			return resource.Errorf(resource.TooManyRequests, "%d scopes are remembered already: say it for all at once, with {}", len(scopes))
		}
		data, err := json.Marshal(append(scopes, scope))
		if err != nil {
			return err
		}
		tx.SetSetting(syncedSetting, data)
		return nil
	})
	if err == nil {
		err = p.guard.release(ctx)
	}
	return err
}
