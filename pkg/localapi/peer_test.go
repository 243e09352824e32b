package localapi_test

import (
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestOnlyListedUIDsMayCall(t *testing.T) {
	own := uint32(os.Getuid())
	var allowed atomic.Pointer[[]uint32]
	a := serve(t, resource.Source, func(o *localapi.Options) {
		o.AllowedUIDs = func() []uint32 { return *allowed.Load() }
	})
	for _, step := range []struct {
		uids   []uint32
		status int
	}{{nil, 200}, {[]uint32{own + 1}, 403}, {[]uint32{own + 1, own}, 200}} {
		allowed.Store(&step.uids)
		got := a.call("GET", "/v1/status", "") // the connection stays open between the steps
		if step.status == 403 {
			got.wantProblem(403, resource.Forbidden, "api.allowedUIDs")
			a.call("PUT", devPath, `{"spec":1}`).wantProblem(403, resource.Forbidden)
			continue
		}
		got.want(200)
	}
	a.call("GET", devPath, "").want(404)
}

func TestAPeerWithoutUIDIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := localapi.New(localapi.Options{
		Backend:     apitest.New(resource.Source),
		AllowedUIDs: func() []uint32 { return []uint32{uint32(os.Getuid())} },
	})
	serveOn(t, server, l)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + l.Addr().String() + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 403 {
		t.Errorf("status %d, want 403", response.StatusCode)
	}
}
