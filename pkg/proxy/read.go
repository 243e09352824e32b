package proxy

import (
	"context"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// Bounds of a page of a list.
const (
	defaultPage = 500
	largestPage = 5000
)

// Get reads one resource.
func (p *Proxy) Get(_ context.Context, k resource.Key) (*resource.Resource, error) {
	key, err := p.resolve(k)
	if err != nil {
		return nil, err
	}
	rec, err := p.store.Get(key)
	switch {
	case resource.CodeOf(err) == resource.NotFound && err != nil, err == nil && !rec.Visible():
		return nil, notFound(key)
	case err != nil:
		return nil, err
	}
	return p.view(rec), nil
}

// List reads one page; all pages of a list are one snapshot.
func (p *Proxy) List(_ context.Context, req resource.ListRequest) (*resource.List, error) {
	o := store.ListOptions{DataType: req.DataType, Cluster: req.Cluster, Source: req.Source,
		Limit: pageSize(req.Limit), Continue: req.Continue}
	if req.State != "" {
		o.Matches = string(req.State)
		o.Match = func(m *store.Meta) bool { return p.side.state(m) == req.State }
	}
	page, err := p.store.List(o)
	if err != nil {
		return nil, err
	}
	list := &resource.List{Items: make([]*resource.Resource, len(page.Records)), Continue: page.Continue, Revision: page.Revision}
	for i, rec := range page.Records {
		list.Items[i] = p.view(rec)
	}
	return list, nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, largestPage)
}
