package localapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// serveOn serves until the test ends.
func serveOn(t testing.TB, server *localapi.Server, l net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// pipes is a listener in memory, so that the minutes of the tests below are
// those of a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
func (p *pipes) dial() net.Conn { here, there := net.Pipe(); p.conns <- there; return here }
func (p *pipes) send(format string, args ...any) net.Conn {
	conn := p.dial()
	fmt.Fprintf(conn, format, args...)
	return conn
}

// inBubble runs a story against a server whose time, like that of the backend
// which is made for it, is the bubble's.
func inBubble(t *testing.T, role resource.Role, story func(t *testing.T, b *slowPut, p *pipes, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		p, backend := newPipes(), &slowPut{Backend: apitest.New(role)}
		stop := serveOn(t, localapi.New(localapi.Options{Backend: backend}), p)
		story(t, backend, p, stop)
		stop()
	})
}

// closesAfter checks that the server gives the connection up at that time.
func closesAfter(t *testing.T, conn net.Conn, want time.Duration) (said string) {
	t.Helper()
	begun := time.Now()
	data, _ := io.ReadAll(conn)
	if took := time.Since(begun); took < want || took > want+2*time.Second {
		t.Errorf("closed after %s, want %s", took, want)
	}
	return string(data)
}

func TestAHeaderMustArriveWithin5Seconds(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		closesAfter(t, p.send("GET /livez HTTP/1.1\r\nHost: x\r\n"), 5*time.Second)
	})
}

func TestABodyMustArriveWithin30Seconds(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		for _, call := range []string{"PUT " + devPath, "POST /v1/resync", "GET /livez", "POST /nowhere"} {
			said := closesAfter(t, p.send("%s HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{", call), 30*time.Second)
			if strings.HasPrefix(call, "P") && !strings.HasSuffix(call, "nowhere") && !strings.Contains(said, `"code":"timeout"`) {
				t.Errorf("%s: said %q, want 408", call, said)
			}
		}
	})
}

func TestABodyThatTricklesIsCut(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", devPath)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for err := error(nil); err == nil; {
				time.Sleep(time.Second)
				_, err = conn.Write([]byte(" "))
			}
		}()
		if said := closesAfter(t, conn, 30*time.Second); !strings.Contains(said, "408") {
			t.Errorf("said %q, want 408", said)
		}
		_ = conn.Close()
		<-ended
	})
}

func TestAnIdleConnectionIsClosedAfter2Minutes(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		response := readResponse(t, conn)
		_, _ = io.Copy(io.Discard, response.Body)
		closesAfter(t, conn, 2*time.Minute)
	})
}

func TestLongPollsOutliveTheTimeOfABody(t *testing.T) {
	inBubble(t, resource.Agent, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		const body = `{"wait":"55s"}`
		begun := time.Now()
		conn := p.send("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", leasePath, len(body), body)
		response := readResponse(t, conn)
		data, _ := io.ReadAll(response.Body)
		if took := time.Since(begun); string(data) != `{"items":[]}` || took < 55*time.Second || took > 56*time.Second {
			t.Errorf("%d %s after %s", response.StatusCode, data, took)
		}
		_ = conn.Close()
	})
}

func TestAWatcherThatNeverReadsIsCut(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("GET /v1/resources?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(40 * time.Second) // in which nothing of it is read
		said, _ := io.ReadAll(conn)
		if len(said) != 0 {
			t.Errorf("said %q, want a connection that is closed", said)
		}
	})
}

func TestAnAnswerThatIsNotReadIsGivenUp(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(40 * time.Second)
		if said, _ := io.ReadAll(conn); len(said) != 0 {
			t.Errorf("said %q, want a connection that is closed", said)
		}
	})
}

func TestALeaseThatCannotBeWrittenComesBack(t *testing.T) {
	inBubble(t, resource.Agent, func(t *testing.T, backend *slowPut, p *pipes, _ func()) {
		backend.Receive(resource.Resource{Key: devKey, Version: 1})
		conn := p.send("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", leasePath)
		time.Sleep(40 * time.Second) // the write is given up after 30
		if got := backend.Returned(1, time.Second); len(got) != 1 {
			t.Errorf("returned %v", got)
		}
		_ = conn.Close()
	})
}

// slowPut takes its time for a put.
type slowPut struct {
	*apitest.Backend
	takes time.Duration
}

func (b *slowPut) Put(ctx context.Context, req resource.PutRequest) (*resource.Resource, bool, error) {
	select {
	case <-time.After(b.takes):
		return b.Backend.Put(ctx, req)
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

const putRequest = "PUT " + devPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"spec\":1}"

func TestCallsUnderWayFinishWhenTheServerEnds(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, backend *slowPut, p *pipes, stop func()) {
		backend.takes = 3 * time.Second
		conn := p.send(putRequest)
		synctest.Wait()
		ended := make(chan struct{})
		go func() { defer close(ended); stop() }()
		if response := readResponse(t, conn); response.StatusCode != 201 {
			t.Errorf("status %d, want 201", response.StatusCode)
		}
		_ = conn.Close()
		<-ended
	})
}

func TestCallsThatTakeTooLongAreCutWhenTheServerEnds(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, backend *slowPut, p *pipes, stop func()) {
		backend.takes = time.Hour
		conn := p.send(putRequest)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("the end took %s, want 5s", took)
		}
		_ = conn.Close()
	})
}

func TestAWaitThatTheEndCutsIs503WithTheResource(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, _ *slowPut, p *pipes, stop func()) {
		conn := p.send("PUT " + devPath + "?wait=observed HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"spec\":1}")
		synctest.Wait()
		ended := make(chan struct{})
		go func() { defer close(ended); stop() }()
		response := readResponse(t, conn)
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != 503 || !strings.Contains(string(body), `"resource":{`) || response.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", response.StatusCode, body)
		}
		_ = conn.Close()
		<-ended
	})
}

func TestServeReturnsWhyTheListenerFailed(t *testing.T) {
	broken := errors.New("broken")
	err := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}).Serve(context.Background(), failing{newPipes(), broken})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type failing struct {
	*pipes
	err error
}

func (f failing) Accept() (net.Conn, error) { return nil, f.err }

func TestALargeHeaderIsRefused(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("GET", "/livez", "", "X-Large: "+strings.Repeat("x", 12<<10)).want(200)
	conn := a.dial()
	go fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 32<<10))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 431 {
		t.Errorf("%+v, %v; want 431", response, err)
	}
}

// silent is a backend on which nothing happens.
type silent struct{ *apitest.Backend }

func (silent) Watch(ctx context.Context, _ resource.WatchRequest, _ func([]resource.WatchEvent) error) error {
	<-ctx.Done()
	return ctx.Err()
}
