package localapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// outside runs a story against a server that lets nobody in.
func outside(t *testing.T, story func(t *testing.T, p *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		server := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)})
		stop := serveOn(t, server.Guarded(func(string) bool { return false }), p)
		story(t, p)
		stop()
	})
}

func TestWhoIsNotLetInIsToldNothingElse(t *testing.T) {
	outside(t, func(t *testing.T, p *pipes) {
		for _, line := range []string{"OPTIONS *", "OPTIONS /v1/status", "CONNECT x:80", "TRACE /", "NONSENSE /livez"} {
			conn := p.send("%s HTTP/1.1\r\nHost: x\r\n\r\n", line)
			response := readResponse(t, conn)
			if response.StatusCode != 401 || !response.Close {
				t.Errorf("%s: status %d, closed %t", line, response.StatusCode, response.Close)
			}
			_ = conn.Close()
		}
	})
}

func TestWhoIsNotLetInHoldsNoPlaceByABody(t *testing.T) {
	outside(t, func(t *testing.T, p *pipes) {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			conn := p.send("PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n%s\r\n", devPath, expect)
			if said := closesAfter(t, conn, 5*time.Second); !strings.Contains(said, "401") {
				t.Errorf("said %q, want 401", said)
			}
		}
	})
}

func TestWhoIsNotLetInSeesTheAnswerBehindALargeBody(t *testing.T) {
	a := serve(t, resource.Source, func(o *localapi.Options) {
		o.AllowedUIDs = func() []uint32 { return []uint32{1 << 30} }
	})
	req, err := http.NewRequest("PUT", "http://sidecar"+devPath, io.LimitReader(new(endlessReader), 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	a.do(req).wantProblem(403, resource.Forbidden)
}
