package push_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/push"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestItemIsPostedAndItsAnswerIsTheResult(t *testing.T) {
	var request *http.Request
	var body []byte
	a := startedApp(t, func(w http.ResponseWriter, r *http.Request) {
		request = r
		body, _ = io.ReadAll(r.Body)
		fmt.Fprint(w, `{"status":{"online":true}}`)
	})
	h := a.takes("one")
	h.URL.URL += "?a=b"
	h.Headers = map[string]string{"Authorization": "Bearer x", "User-Agent": "mine"}
	w := newWorld(t, h)
	w.receive(devices, "dev-1")
	if got := w.waitAnswers(1)[0]; got.Result != resource.ResultDone || string(got.Status) != `{"online":true}` {
		t.Errorf("result %+v", got)
	}
	var item resource.LeaseItem
	if err := json.Unmarshal(body, &item); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if item.Key.ID != "dev-1" || item.Attempt != 1 || item.Object == nil || string(item.Object.Spec) != `{"a":1}` || item.Lease == "" {
		t.Errorf("item %s", body)
	}
	if request.Method != "POST" || request.URL.String() != "/one?a=b" || request.ContentLength != int64(len(body)) {
		t.Errorf("%s %s, %d bytes", request.Method, request.URL, request.ContentLength)
	}
	for header, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer x", "User-Agent": "mine", "Accept-Encoding": "", "Ce-Id": "",
	} {
		if got := request.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// answers are what an app can answer, and what that means.
var answers = map[string]struct {
	status  int
	header  string
	body    string
	want    resource.WorkResult
	problem string // in the error
}{
	"done":                {200, "", `{}`, resource.WorkResult{Result: "done"}, ""},
	"done, empty":         {200, "", "", resource.WorkResult{Result: "done"}, ""},
	"no content":          {204, "", "", resource.WorkResult{Result: "done"}, ""},
	"accepted":            {202, "", "", resource.WorkResult{Result: "done"}, ""},
	"created, a result":   {201, "", `{"requeueAfter":"1h"}`, resource.WorkResult{Result: "done", RequeueAfter: time.Hour}, ""},
	"extend":              {200, "", `{"result":"extend","leaseFor":"5m"}`, resource.WorkResult{Result: "extend", LeaseFor: 5 * time.Minute}, ""},
	"failed":              {200, "", `{"result":"failed","error":"no"}`, resource.WorkResult{Result: "failed"}, "no"},
	"given up":            {200, "", `{"result":"failed","retry":false}`, resource.WorkResult{Result: "failed", NoRetry: true}, ""},
	"text":                {200, "", `OK`, resource.WorkResult{Result: "failed"}, "not a result: the body is not JSON"},
	"accepted, text":      {202, "", `OK`, resource.WorkResult{Result: "failed"}, "not a result"},
	"a list":              {200, "", `[]`, resource.WorkResult{Result: "failed"}, "must be a JSON object"},
	"an unknown field":    {200, "", `{"state":"done"}`, resource.WorkResult{Result: "failed"}, "/state is not a known field"},
	"a contradiction":     {200, "", `{"result":"failed","deleted":true}`, resource.WorkResult{Result: "failed"}, "/deleted goes with done only"},
	"too large":           {200, "", `{"error":"` + strings.Repeat("x", 2<<20) + `"}`, resource.WorkResult{Result: "failed"}, "larger than"},
	"too large a status":  {200, "", `{"status":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, resource.WorkResult{Result: "failed"}, "limits.maxResourceBytes"},
	"an error":            {500, "", `{}`, resource.WorkResult{Result: "failed"}, "the app answered 500 Internal Server Error"},
	"not found":           {404, "", ``, resource.WorkResult{Result: "failed"}, "404 Not Found"},
	"a status of its own": {599, "", ``, resource.WorkResult{Result: "failed"}, "the app answered 599"},
	"a redirect":          {307, "", ``, resource.WorkResult{Result: "failed"}, "307"},
	"busy":                {503, "7", ``, resource.WorkResult{Result: "failed", RetryAfter: 7 * time.Second}, "503"},
	"too many":            {429, "100000", ``, resource.WorkResult{Result: "failed", RetryAfter: time.Hour}, "429"},
	"busy, no time":       {503, "soon", ``, resource.WorkResult{Result: "failed"}, "503"},
	"another status":      {500, "7", ``, resource.WorkResult{Result: "failed"}, "500"},
}

func TestAnswers(t *testing.T) {
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startedApp(t, func(w http.ResponseWriter, r *http.Request) {
				if answer.header != "" {
					w.Header().Set("Retry-After", answer.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(answer.status)
				_, _ = io.WriteString(w, answer.body)
			})
			w := newWorld(t, a.takes("one"))
			w.receive(devices, "dev-1")
			got, want := w.waitAnswers(1)[0], answer.want
			if got.Result != want.Result || got.NoRetry != want.NoRetry || got.RequeueAfter != want.RequeueAfter ||
				got.LeaseFor != want.LeaseFor || got.RetryAfter != want.RetryAfter {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !strings.Contains(got.Error, answer.problem) || len(got.Error) > 1000 {
				t.Errorf("error %.2000q, want %q", got.Error, answer.problem)
			}
		})
	}
}

// What is no answer is a failure.
func TestNoAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		problem string
	}{
		"nothing in time": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "not answered within 100ms"},
		"half in time": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "not answered within 100ms"},
		"closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the app has not answered: "},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "{}")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "hello\r\n\r\n")
				_ = conn.Close()
			}
		}, "malformed HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startedApp(t, test.handler)
			h := a.takes("one")
			h.Timeout = 100 * time.Millisecond
			w := newWorld(t, h)
			w.receive(devices, "dev-1")
			got := w.waitAnswers(1)[0]
			if got.Result != resource.ResultFailed || !strings.Contains(got.Error, test.problem) {
				t.Errorf("got %+v, want %q", got, test.problem)
			}
		})
	}
}

// A result that the sidecar cannot take is a failure that the app hears of in
// the next attempt, not a lease that lapses.
func TestResultThatIsRefused(t *testing.T) {
	a := startedApp(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"deleted":true}`) })
	w := newWorld(t)
	w.queue.refuse = func(r resource.WorkResult) error {
		if r.Deleted {
			return resource.Errorf(resource.Conflict, "nobody asked for the deletion")
		}
		return nil
	}
	w.push.Set([]push.Handler{a.takes("one")})
	w.receive(devices, "dev-1")
	second := w.waitAnswers(2)[1]
	if second.Result != resource.ResultFailed || !strings.Contains(second.Error, "nobody asked") {
		t.Errorf("got %+v", second)
	}
}

// A result that cannot be stored now is left to the lease.
func TestResultThatIsNotStored(t *testing.T) {
	a := startedApp(t, func(http.ResponseWriter, *http.Request) {})
	w := newWorld(t)
	w.queue.refuse = func(resource.WorkResult) error { return resource.Errorf(resource.DiskFull, "no space left") }
	w.push.Set([]push.Handler{a.takes("one")})
	w.receive(devices, "dev-1")
	eventually(t, "the log", func() bool { return strings.Contains(w.log.String(), "push result not stored") })
	if n := len(w.queue.answers()); n != 1 {
		t.Errorf("answered %d times", n)
	}
}

func TestHeadersAndQueriesAreInNoLog(t *testing.T) {
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	h := a.takes("one")
	h.URL.URL += "?token=secret-1"
	h.Headers = map[string]string{"Authorization": "secret-2"}
	w := newWorld(t, h)
	w.receive(devices, "dev-1")
	eventually(t, "a failed probe", func() bool { return strings.Contains(w.log.String(), "waits for its app") })
	a.start()
	eventually(t, "a failed call", func() bool { return strings.Contains(w.log.String(), "push failed") })
	w.end()
	if text := w.log.String() + fmt.Sprint(w.push.Status()); strings.Contains(text, "secret") || strings.Contains(text, `{\"a\"`) {
		t.Error(text)
	}
}
