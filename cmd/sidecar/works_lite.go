//go:build lite

package main

import (
	"context"
	"net/http"
)

// worksAPI is not in this build.
type worksAPI struct{}

func newWorksAPI(*App) worksAPI { return worksAPI{} }

func (worksAPI) handler() http.Handler { return nil }

func (worksAPI) run(context.Context) error { return nil }
