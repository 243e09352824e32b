//go:build !lite

package main

import (
	"context"
	"net/http"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/workapi"
)

// worksAPI is the Kubernetes API for works. It is made with the sidecar and
// costs nothing until it is used.
type worksAPI struct {
	server  *workapi.Server
	enabled func() bool
}

func newWorksAPI(a *App) worksAPI {
	cfg := a.config.Load()
	server := workapi.New(workapi.Options{
		Role: cfg.Role, ID: cfg.ID, Version: version(), Store: a.store, Engine: a.proxy, Log: a.log,
		MaxBytes:         func() int64 { return a.config.Load().Work.MaxBytes },
		MaxResourceBytes: func() int64 { return a.config.Load().Limits.MaxResourceBytes },
		Began:            forgetStart,
	})
	return worksAPI{server, func() bool { return a.config.Load().Work.Enabled }}
}

// handler answers as long as works are enabled.
func (w worksAPI) handler() http.Handler {
	return localapi.While(w.enabled, w.server)
}

func (w worksAPI) run(ctx context.Context) error { return w.server.Run(ctx) }
