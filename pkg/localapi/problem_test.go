package localapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func failWith(a *api, err error) {
	a.backend.Fail = func(string) error { return err }
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	a := serve(t, resource.Source)
	for code, status := range map[resource.Code]int{
		resource.InvalidArgument: 400, resource.Unauthenticated: 401, resource.Forbidden: 403,
		resource.NotFound: 404, resource.MethodNotAllowed: 405, resource.Timeout: 408,
		resource.Conflict: 409, resource.DeletingCode: 409, resource.Ambiguous: 409,
		resource.Expired: 410, resource.PreconditionFailed: 412, resource.TooLarge: 413,
		resource.UnsupportedMediaType: 415, resource.InvalidItem: 422, resource.TooManyRequests: 429,
		resource.Internal: 500, resource.Unavailable: 503, resource.DeadlineExceeded: 504, resource.DiskFull: 507,
	} {
		failWith(a, fmt.Errorf("proxy: get: %w", resource.Errorf(code, "do this")))
		got := a.call("GET", devPath, "")
		p := got.wantProblem(status, code)
		if p.Detail != "do this" {
			t.Errorf("%s: detail %q", code, p.Detail)
		}
		if want := status == 429 || status == 503; (got.header.Get("Retry-After") != "") != want {
			t.Errorf("%s: Retry-After %q", code, got.header.Get("Retry-After"))
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	a := serve(t, resource.Source)
	failWith(a, &resource.Error{Code: resource.Unavailable, Detail: "busy", RetryAfter: 1500 * time.Millisecond})
	if got := a.call("GET", devPath, "").header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2", got)
	}
}

func TestProblemsListFields(t *testing.T) {
	a := serve(t, resource.Source)
	failWith(a, resource.Errorf(resource.InvalidArgument, "wrong").WithField("/spec"))
	p := a.call("GET", devPath, "").wantProblem(400, resource.InvalidArgument)
	if len(p.Errors) != 1 || p.Errors[0] != (resource.FieldError{Pointer: "/spec", Detail: "wrong"}) {
		t.Errorf("errors %v", p.Errors)
	}
}

func TestUnforeseenErrorsAreLoggedAndNotTold(t *testing.T) {
	var log bytes.Buffer
	a := serve(t, resource.Source, func(o *localapi.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	failWith(a, errors.New("bucket 7 is on fire"))
	a.call("GET", devPath, "").wantProblem(500, resource.Internal)
	failWith(a, &resource.Error{Code: "novel", Detail: "x"})
	a.call("GET", devPath, "").wantProblem(500, resource.Internal)
	if !strings.Contains(log.String(), "bucket 7 is on fire") {
		t.Errorf("not in the log: %s", log.String())
	}
}

func TestAPanicEndsOneCallOnly(t *testing.T) {
	var log bytes.Buffer
	a := serve(t, resource.Source, func(o *localapi.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	a.backend.Fail = func(call string) error { panic("at " + call) }
	a.call("GET", devPath, "").wantProblem(500, resource.Internal)
	a.backend.Fail = nil
	a.call("GET", devPath, "").want(404)
	if text := log.String(); !strings.Contains(text, "at Get") || !strings.Contains(text, "getResource") {
		t.Errorf("the log lacks cause or stack: %s", text)
	}
}
