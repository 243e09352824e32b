package localapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const small = 1000 // limits.maxResourceBytes of the tests below

func serveSmall(t testing.TB, role resource.Role) *api {
	return serve(t, role, func(o *localapi.Options) { o.MaxResourceBytes = func() int64 { return small } })
}

func TestTooLargeSpecsAreRefused(t *testing.T) {
	a := serveSmall(t, resource.Source)
	fits := `{"spec":"` + strings.Repeat("x", small-2) + `"}`
	a.call("PUT", devPath, fits).want(201)
	a.call("PUT", devPath, strings.Replace(fits, "x", "xx", 1)).wantProblem(413, resource.TooLarge, "1001 bytes", "limits.maxResourceBytes")
	a.call("PUT", devPath, `{"metadata":{"a":1},`+fits[1:]).wantProblem(413, resource.TooLarge)
}

func TestTooLargeStatusesAreRefused(t *testing.T) {
	a := serveSmall(t, resource.Agent)
	a.backend.Receive(resource.Resource{Key: devKey, Version: 1})
	status := `{"a":"` + strings.Repeat("x", small) + `"}`
	a.call("PUT", devPath+"/status", status).wantProblem(413, resource.TooLarge, "limits.maxResourceBytes")
	a.call("POST", "/v1/leases/none", `{"status":`+status+`}`).wantProblem(413, resource.TooLarge)
}

func TestALimitOfNoneTakesMuch(t *testing.T) {
	a := serve(t, resource.Source, func(o *localapi.Options) { o.MaxResourceBytes = func() int64 { return 0 } })
	a.call("PUT", devPath, `{"spec":"`+strings.Repeat("x", 3<<20)+`"}`).want(201)
}

func TestATooLargeBodyIsRefusedByItsLength(t *testing.T) {
	a := serveSmall(t, resource.Source)
	conn := a.dial()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n", devPath)
	response := readResponse(t, conn)
	if response.StatusCode != 413 || !response.Close {
		t.Errorf("status %d, close %v; want 413 before the body is sent", response.StatusCode, response.Close)
	}
	a.call("POST", "/v1/resync", strings.Repeat(" ", 70000)).wantProblem(413, resource.TooLarge)
}

func TestABodyOfUnknownLengthIsNotReadOn(t *testing.T) {
	a := serveSmall(t, resource.Source)
	endless := &endlessReader{}
	req, _ := http.NewRequest("PUT", "http://sidecar"+devPath, endless)
	a.do(req).wantProblem(413, resource.TooLarge, "limits.maxResourceBytes")
	if read := endless.read.Load(); read > 20<<20 {
		t.Errorf("%d bytes were taken", read)
	}
}

// Many clients read the answer only when they have sent the whole body.
func TestAClientThatSendsAllFirstIsAnswered(t *testing.T) {
	a := serveSmall(t, resource.Source)
	body := strings.Repeat(" ", 8<<20)
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"too large":          {"PUT " + devPath, 413},
		"for no such path":   {"PUT /v1/nothing", 404},
		"with a wrong query": {"PUT " + devPath + "?x=1", 400},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{t: t, backend: a.backend, socket: a.socket}
			conn := a.dial()
			if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", test.request, len(body), body); err != nil {
				t.Fatalf("send: %v", err)
			}
			if response := readResponse(t, conn); response.StatusCode != test.status || !response.Close {
				t.Errorf("status %d, close %v; want %d and then the end", response.StatusCode, response.Close, test.status)
			}
		})
	}
}

type endlessReader struct{ read atomic.Int64 }

func (r *endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	r.read.Add(int64(len(p)))
	return len(p), nil
}

func TestExpectContinue(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`, "Expect: 100-continue").want(201)
}

func TestChunkedBodies(t *testing.T) {
	a := serve(t, resource.Source)
	req, _ := http.NewRequest("PUT", "http://sidecar"+devPath, io.MultiReader(strings.NewReader(`{"spec"`), strings.NewReader(`:1}`)))
	a.do(req).want(201)
}

func TestContentTypes(t *testing.T) {
	a := serve(t, resource.Source)
	for contentType, status := range map[string]int{
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"Application/JSON":                  200,
		"":                                  200,
		"application/x-www-form-urlencoded": 200,
		"text/plain":                        415,
		"application/yaml":                  415,
		"application/merge-patch+json":      415,
		"nonsense":                          415,
		"application/json, text/plain":      415,
	} {
		var headers []string
		if contentType != "" {
			headers = append(headers, "Content-Type: "+contentType)
		}
		a.call("POST", "/v1/resync", `{}`, headers...).want(status)
		got := a.call("PUT", devPath, `{"spec":1}`, headers...)
		if (got.status == 415) != (status == 415) {
			t.Errorf("%q: PUT %d, POST %d", contentType, got.status, status)
		}
	}
	a.call("POST", "/v1/resync", `cluster=a`, "Content-Type: application/x-www-form-urlencoded").wantProblem(415, resource.UnsupportedMediaType, "is not JSON: invalid character 'c'", "x-www-form-urlencoded")
	a.call("POST", "/v1/resync", `{}`, "Content-Encoding: gzip").wantProblem(415, resource.UnsupportedMediaType, "gzip")
	a.call("PATCH", devPath, `{}`, "Content-Type: application/merge-patch+json", "Content-Encoding: br").wantProblem(415, resource.UnsupportedMediaType)
}

func TestABodyThatEndsEarlyChangesNothing(t *testing.T) {
	a := serve(t, resource.Source)
	conn := a.dial()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"spec\":1}", devPath)
	_ = conn.(*net.UnixConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	a.call("GET", devPath, "").want(404)
}

func TestWhoClosesItsSideWhileACallWaitsIsToldSo(t *testing.T) {
	a := serve(t, resource.Source)
	for call, body := range map[string]string{
		"POST " + leasePath:                 `{"wait":"55s"}`,
		"PUT " + devPath + "?wait=observed": `{"spec":1}`,
	} {
		conn := a.dial()
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", call, len(body), body)
		_ = conn.(*net.UnixConn).CloseWrite()
		response := readResponse(t, conn)
		said, _ := io.ReadAll(response.Body)
		if response.StatusCode != 503 || !strings.Contains(string(said), "closed for sending") {
			t.Errorf("%s: %d %s", call, response.StatusCode, said)
		}
	}
}

// dial is a connection that the test writes to itself.
func (a *api) dial() net.Conn {
	a.t.Helper()
	conn, err := net.Dial("unix", a.socket)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func readResponse(t testing.TB, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return response
}
