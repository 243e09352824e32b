package localapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	applyPath = "/v1/resources/apply"
	pruneIt   = "?prune=true&cluster=cluster1&dataType=" + devices
)

// item is a line of an apply; more are further members.
func item(id, more string) string {
	return fmt.Sprintf(`{"dataType":%q,"cluster":"cluster1","id":%q%s}`, devices, id, more)
}

func endMark(items int) string { return fmt.Sprintf(`{"end":true,"items":%d}`, items) }

func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

// result is an answer of apply, whatever its status.
func (r answer) result() resource.ApplyResult {
	r.t.Helper()
	var result resource.ApplyResult
	r.decode(&result)
	return result
}

func TestApply(t *testing.T) {
	a := serve(t, resource.Source)
	body := lines(item("a", `,"spec":{"n":1},"metadata":{"x":1},"version":7`), "", "  \r", item("b", `,"specBase64":"AA==","contentType":"text/plain"`)+"\r")
	got := a.call("POST", applyPath, body+item("c", `,"spec":1`), "Content-Type: application/x-ndjson").want(200) // its last line has no end
	if got.body != `{"applied":3,"unchanged":0,"deleted":0,"failed":0,"errors":[]}` {
		t.Errorf("answered %s", got.body)
	}
	if res := a.call("GET", strings.Replace(devPath, "dev-1", "a", 1), "").resource(); res.Version != 7 || string(res.Metadata) != `{"x":1}` {
		t.Errorf("stored %+v", res)
	}
	if result := a.call("POST", applyPath, body).want(200).result(); result.Unchanged != 2 || result.Applied != 0 {
		t.Errorf("again: %+v", result)
	}
	if result := a.call("POST", applyPath, "").want(200).result(); !reflect.DeepEqual(result, resource.ApplyResult{Errors: []resource.ApplyError{}}) {
		t.Errorf("of nothing: %+v", result)
	}
}

// What GET gave is taken.
func TestApplyTakesWhatListsGive(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":{"n":1}}`).want(201)
	var list struct{ Items []json.RawMessage }
	a.call("GET", "/v1/resources", "").want(200).decode(&list)
	if result := a.call("POST", applyPath, string(list.Items[0])).want(200).result(); result.Unchanged != 1 {
		t.Errorf("result %+v", result)
	}
}

func TestApplyFailsItemsAlone(t *testing.T) {
	a := serveSmall(t, resource.Source)
	huge := strings.Repeat("x", 200_000)
	for name, c := range map[string]struct {
		line string
		code resource.Code
		says string
		key  bool
	}{
		"broken JSON":        {`{"id":`, resource.InvalidArgument, "is not JSON", false},
		"two on a line":      {item("x", `,"spec":1`) + item("y", `,"spec":1`), resource.InvalidArgument, "is not JSON", false},
		"not UTF-8":          {"\"\xff\"", resource.InvalidArgument, "UTF-8", false},
		"no object":          {`[1]`, resource.InvalidArgument, "must be a JSON object", false},
		"unknown field":      {item("x", `,"spec":1,"specc":2`), resource.InvalidArgument, "/specc is not a known field", true},
		"given twice":        {item("x", `,"spec":1,"id":"y"`), resource.InvalidArgument, "/id is given twice", true},
		"no cluster":         {`{"dataType":"` + devices + `","id":"x","spec":1}`, resource.InvalidArgument, "cluster is missing", true},
		"bad cluster":        {`{"cluster":"` + huge[:900] + `","spec":1}`, resource.InvalidArgument, "must be 1 to 63", false},
		"bad data type":      {`{"dataType":"X","cluster":"c","id":"x","spec":1}`, resource.InvalidArgument, "is not <group>", true},
		"bad id":             {item("..", `,"spec":1`), resource.InvalidArgument, "id must not be", true},
		"no spec":            {item("x", ``), resource.InvalidArgument, "spec is missing", true},
		"base64 alone":       {item("x", `,"specBase64":"AA=="`), resource.InvalidArgument, "needs contentType", true},
		"any revision":       {item("x", `,"spec":1,"ifMatch":"*"`), resource.InvalidArgument, "/ifMatch must be one revision", true},
		"revision":           {item("x", `,"spec":1,"ifMatch":"7"`), resource.PreconditionFailed, "changed since", true},
		"other source":       {item("x", `,"spec":1,"source":"hub2"`), resource.InvalidArgument, "source", true},
		"version":            {item("x", `,"spec":1,"version":2147483648`), resource.InvalidArgument, "/version must be", true},
		"too large a spec":   {item("x", `,"spec":"`+huge[:small]+`"`), resource.TooLarge, "limits.maxResourceBytes", true},
		"too long a line":    {item("x", `,"spec":"`+huge+`"`), resource.TooLarge, "limits.maxResourceBytes", false},
		"end mark with more": {`{"end":true,"items":1,"spec":1}`, resource.InvalidArgument, "make the last line", false},
		"no end":             {`{"end":false,"items":1}`, resource.InvalidArgument, "make the last line", false},
		"end without count":  {`{"end":true}`, resource.InvalidArgument, "make the last line", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{t: t, backend: a.backend, socket: a.socket}
			id := "good " + name
			got := a.call("POST", applyPath, lines(item(id, `,"spec":1`), c.line, item(id, `,"spec":2`)))
			got.wantProblem(422, resource.InvalidItem, "correct what errors lists")
			result := got.result()
			if result.Applied != 2 || result.Failed != 1 || len(result.Errors) != 1 {
				t.Fatalf("result %+v", result)
			}
			e := result.Errors[0]
			if e.Line != 2 || e.Code != c.code || !strings.Contains(e.Detail, c.says) || (e.Key != nil) != c.key || len(e.Detail) > 1000 {
				t.Errorf("error %+v", e)
			}
		})
	}
}

func TestApplyListsOnlySoManyErrors(t *testing.T) {
	a := serve(t, resource.Source)
	result := a.call("POST", applyPath, strings.Repeat("x\n", 150)).want(422).result()
	if result.Failed != 150 || len(result.Errors) != resource.MaxApplyErrors || result.Errors[99].Line != 100 {
		t.Errorf("%d failed, %d told", result.Failed, len(result.Errors))
	}
}

func TestApplyPrunes(t *testing.T) {
	a := serve(t, resource.Source)
	put := func() {
		for _, id := range []string{"a", "b", "c"} {
			a.call("PUT", strings.Replace(devPath, "dev-1", id, 1), `{"spec":1}`)
		}
		a.call("PUT", strings.Replace(devPath, "cluster1", "cluster2", 1), `{"spec":1}`)
	}
	one := item("b", `,"spec":1`)
	for name, c := range map[string]struct {
		body string
		says string // why nothing is pruned
	}{
		"whole":              {lines(one, endMark(1)), ""},
		"nothing left":       {lines(endMark(0)), ""},
		"no end mark":        {lines(one), `must be {"end":true,"items":1}`},
		"an empty body":      {"", `must be {"end":true,"items":0}`},
		"too few":            {lines(one, endMark(2)), "counts 2 items and 1 came"},
		"something after":    {lines(one, endMark(1), one), "after the end mark"},
		"a failed item":      {lines(one, item("c", ``), endMark(2)), "spec is missing"},
		"out of the scope":   {lines(one, strings.Replace(one, "cluster1", "cluster2", 1), endMark(2)), "which this call prunes"},
		"another data type":  {lines(one, strings.Replace(one, "devices", "others", 1), endMark(2)), "which this call prunes"},
		"a line of no items": {lines(one, "[]", endMark(2)), "must be a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{t: t, backend: a.backend, socket: a.socket}
			put()
			before := len(a.backend.Status().Store.Synced)
			got := a.call("POST", applyPath+pruneIt, c.body)
			result, synced := got.result(), len(a.backend.Status().Store.Synced)-before
			if c.says == "" {
				want := 3 - strings.Count(c.body, "spec")
				if got.want(200); result.Deleted != want || result.NotPruned != "" || synced != 1 {
					t.Errorf("%s, %d scopes synced", got.body, synced)
				}
				return
			}
			got.want(422)
			if detail := result.Errors[0].Detail; len(result.Errors) != 1 || !strings.Contains(detail, c.says) {
				t.Errorf("errors %+v", result.Errors)
			}
			if result.Deleted != 0 || result.NotPruned == "" || synced != 0 {
				t.Errorf("%s, %d scopes synced", got.body, synced)
			}
		})
	}
}

func TestApplyIsRefusedAsAWhole(t *testing.T) {
	a := serve(t, resource.Source)
	large := strings.Repeat(item("a", `,"spec":1`)+"\n", 20_000) // more than any buffer between the two
	for query, says := range map[string]string{
		"?prune=true":                      "needs both",
		"?prune=true&cluster=c":            "needs both",
		"?prune=maybe":                     "true or false",
		"?cluster=c":                       "go with prune=true",
		"?prune=true&cluster=C&dataType=x": "is not",
		"?source=x":                        "unknown",
		"?prune=true&cluster=C&dataType=" + devices: "must be 1 to 63",
	} {
		a.call("POST", applyPath+query, large).wantProblem(400, resource.InvalidArgument, says)
	}
	a.call("POST", applyPath, large, "Content-Type: text/yaml").wantProblem(415, resource.UnsupportedMediaType, "x-ndjson")
	a.call("POST", applyPath, large, "Content-Encoding: gzip").wantProblem(415, resource.UnsupportedMediaType)
	a.call("PUT", applyPath, "{}").wantProblem(405, resource.MethodNotAllowed)
	serve(t, resource.Agent).call("POST", applyPath, large).wantProblem(403, resource.Forbidden)
	if total := a.backend.Status().Resources.Total; total != 0 {
		t.Errorf("%d resources are stored", total)
	}
}

// Clients that send before they look for an answer must not find the connection
// closed: a refusal comes after the body, too.
func TestApplyIsAnsweredAfterItsBody(t *testing.T) {
	inBubble(t, resource.Agent, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", applyPath)
		answered := make(chan *http.Response, 1)
		go func() { answered <- readResponse(t, conn) }()
		for range 100 {
			fmt.Fprintf(conn, "8000\r\n%s\r\n", strings.Repeat("x", 0x8000))
			time.Sleep(20 * time.Second) // a slow body is fine
		}
		synctest.Wait()
		select {
		case <-answered:
			t.Error("answered while the body was still coming")
		default:
		}
		fmt.Fprint(conn, "0\r\n\r\n")
		if response := <-answered; response.StatusCode != 403 {
			t.Errorf("status %d", response.StatusCode)
		}
		_ = conn.Close()
	})
}

func TestWhoAsksBeforeSendingIsAnsweredAtOnce(t *testing.T) {
	inBubble(t, resource.Agent, func(t *testing.T, _ *slowPut, p *pipes, _ func()) {
		conn := p.send("POST %s?source=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", applyPath)
		if response := readResponse(t, conn); response.StatusCode != 400 {
			t.Errorf("status %d", response.StatusCode)
		}
		_ = conn.Close()
	})
}

func TestASlowApplyIsTaken(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, b *slowPut, p *pipes, _ func()) {
		body := lines(item("a", `,"spec":1`), item("b", `,"spec":1`))
		conn := p.send("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", applyPath, len(body))
		for _, c := range []byte(body) {
			time.Sleep(25 * time.Second)
			_, _ = conn.Write([]byte{c})
		}
		response := readResponse(t, conn)
		said, _ := io.ReadAll(response.Body)
		if response.StatusCode != 200 || !strings.Contains(string(said), `"applied":2`) {
			t.Errorf("%d %s", response.StatusCode, said)
		}
		_ = conn.Close()
	})
}

func TestAnApplyThatStandsStillIs408(t *testing.T) {
	inBubble(t, resource.Source, func(t *testing.T, b *slowPut, p *pipes, _ func()) {
		conn := p.send("POST %s%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"end\":tr\r\n", applyPath, pruneIt)
		said := closesAfter(t, conn, 30*time.Second)
		if !strings.Contains(said, "408") || !strings.Contains(said, "stood still") {
			t.Errorf("said %q, want 408", said)
		}
	})
}

// What came of a body that was cut off is not taken for its end.
func TestABodyThatIsCutOffChangesNothingMore(t *testing.T) {
	for name, sent := range map[string]string{
		"between lines": lines(item("a", `,"spec":1`)),
		"in a line":     item("a", `,"spec":1`),
		"at the end":    lines(endMark(0)),
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, resource.Source)
			a.call("PUT", devPath, `{"spec":1}`).want(201)
			conn := a.dial()
			fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", applyPath, pruneIt, len(sent)+1, sent)
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
			said, _ := io.ReadAll(conn)
			if !strings.Contains(string(said), "ended early") && len(said) > 0 {
				t.Errorf("said %q", said)
			}
			if total := a.backend.Status().Resources.Total; total != 1 {
				t.Errorf("%d resources, want the one that was there", total)
			}
		})
	}
}
