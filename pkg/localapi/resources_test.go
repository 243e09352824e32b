package localapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestAResourceFromPutToGone(t *testing.T) {
	a := serve(t, resource.Source)

	created := a.call("PUT", devPath, `{"spec": {"on": true}, "metadata": {"labels": {}}}`).want(201)
	res := created.resource()
	if string(res.Spec) != `{"on":true}` || string(res.Metadata) != `{"labels":{}}` || res.Version != 1 || res.Key != devKey {
		t.Fatalf("created %s", created.body)
	}
	if tag := created.header.Get("ETag"); tag != `"`+res.Revision.String()+`"` {
		t.Errorf("ETag %s of revision %s", tag, res.Revision)
	}

	got := a.call("GET", devPath, "").want(200)
	if got.body != created.body {
		t.Errorf("GET gave %s, PUT gave %s", got.body, created.body)
	}
	if same := a.call("PUT", devPath, got.body).want(200); same.body != got.body {
		t.Errorf("PUT of what GET gave changed it: %s", same.body)
	}
	if changed := a.call("PUT", devPath, `{"spec":{"on":false},"version":7}`).want(200).resource(); changed.Version != 7 {
		t.Errorf("version %d, want the floor 7", changed.Version)
	}

	a.backend.SetState(devKey, resource.Published)
	if deleting := a.call("DELETE", devPath, "").want(202).resource(); deleting.DeletionTimestamp == nil {
		t.Error("no deletionTimestamp")
	}
	a.call("DELETE", devPath, "").want(202)
	a.call("PUT", devPath, `{"spec":1}`).wantProblem(409, resource.DeletingCode)
	a.call("DELETE", devPath+"?force=true", "").want(200, "{}")
	a.call("GET", devPath, "").wantProblem(404, resource.NotFound)
	a.call("DELETE", devPath, "").wantProblem(404, resource.NotFound)
}

func TestDeleteOfWhatNeverLeftIsDoneAtOnce(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`).want(201)
	a.call("DELETE", devPath, "").want(200)
}

func TestPreconditions(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`, "If-Match: 1").wantProblem(412, resource.PreconditionFailed)
	a.call("PUT", devPath, `{"spec":1}`, "If-None-Match: *").want(201)
	a.call("PUT", devPath, `{"spec":2}`, "If-None-Match: *").wantProblem(412, resource.PreconditionFailed)

	spec := 2
	for _, form := range []string{`"%s"`, `W/"%s"`, `%s`} {
		revision := a.call("GET", devPath, "").resource().Revision
		body := fmt.Sprintf(`{"spec":%d}`, spec)
		a.call("PUT", devPath, body, "If-Match: "+fmt.Sprintf(form, revision)).want(200)
		a.call("PUT", devPath, `{"spec":0}`, "If-Match: "+fmt.Sprintf(form, revision)).wantProblem(412, resource.PreconditionFailed)
		spec++
	}
	for _, headers := range [][]string{
		{"If-Match: *"}, {`If-Match: "1", "2"`}, {"If-Match: 1", "If-Match: 2"}, {"If-Match: -1"}, {`If-Match: "`},
		{`If-None-Match: "1"`}, {"If-None-Match: *", "If-Match: 1"},
	} {
		a.call("PUT", devPath, `{"spec":1}`, headers...).wantProblem(400, resource.InvalidArgument)
	}
	a.call("DELETE", devPath, "", "If-None-Match: *").wantProblem(400, resource.InvalidArgument)
	a.call("DELETE", devPath, "", "If-Match: 1").wantProblem(412, resource.PreconditionFailed)
	a.call("PATCH", devPath, "{}", "If-None-Match: *").wantProblem(400, resource.InvalidArgument)
}

func TestGetOfWhatTheCallerHasIs304(t *testing.T) {
	a := serve(t, resource.Source)
	tag := a.call("PUT", devPath, `{"spec":1}`).want(201).header.Get("ETag")
	got := a.call("GET", devPath, "", "If-None-Match: "+tag)
	if got.status != 304 || got.body != "" || got.header.Get("ETag") != tag {
		t.Errorf("%d %q ETag %s", got.status, got.body, got.header.Get("ETag"))
	}
	a.call("GET", devPath, "", `If-None-Match: "1"`).want(200)
}

func TestSpecsThatAreNotJSON(t *testing.T) {
	a := serve(t, resource.Source)
	put := a.call("PUT", devPath, `{"specBase64":"AP8=","contentType":"application/octet-stream"}`).want(201)
	got := a.call("GET", devPath, "").want(200, `"specBase64":"AP8="`, `"contentType":"application/octet-stream"`)
	if same := a.call("PUT", devPath, got.body).want(200); same.body != put.body {
		t.Errorf("PUT of what GET gave changed it: %s", same.body)
	}
}

func TestPut(t *testing.T) {
	a := serve(t, resource.Source)
	for name, test := range map[string]struct{ body, pointer string }{
		"no body":               {``, ""},
		"not JSON":              {`{"spec":`, ""},
		"not an object":         {`[1]`, ""},
		"something after":       {`{"spec":1} {}`, ""},
		"not UTF-8":             {"{\"spec\":\"\xff\"}", ""},
		"too deep":              {`{"spec":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, ""},
		"no spec":               {`{}`, "/spec"},
		"null spec":             {`{"spec":null}`, "/spec"},
		"both specs":            {`{"spec":1,"specBase64":"AA=="}`, "/specBase64"},
		"JSON that is none":     {`{"specBase64":"aGFsbG8=","contentType":"application/x+json"}`, "/specBase64"},
		"type of an event":      {`{"specBase64":"e30=","contentType":"application/cloudevents+json"}`, "/contentType"},
		"not base64":            {`{"specBase64":"?","contentType":"text/plain"}`, "/specBase64"},
		"no content type":       {`{"specBase64":"AA=="}`, "/contentType"},
		"JSON as base64":        {`{"specBase64":"e30=","contentType":"application/json; charset=utf-8"}`, "/specBase64"},
		"spec of another type":  {`{"spec":{},"contentType":"text/plain"}`, "/contentType"},
		"bad content type":      {`{"specBase64":"AA==","contentType":"text"}`, "/contentType"},
		"unknown field":         {`{"spec":1,"colour/~":"red"}`, "/colour~1~0"},
		"field twice":           {`{"spec":1,"spec":2}`, "/spec"},
		"field twice, escaped":  {`{"spec":1,"sp\u0065c":2}`, "/spec"},
		"metadata no object":    {`{"spec":1,"metadata":[]}`, "/metadata"},
		"version no number":     {`{"spec":1,"version":"3"}`, "/version"},
		"version negative":      {`{"spec":1,"version":-1}`, "/version"},
		"version too large":     {`{"spec":1,"version":2147483648}`, "/version"},
		"version not whole":     {`{"spec":1,"version":1.5}`, "/version"},
		"another id":            {`{"spec":1,"id":"dev-2"}`, "/id"},
		"another cluster":       {`{"spec":1,"cluster":"cluster2"}`, "/cluster"},
		"another data type":     {`{"spec":1,"dataType":"a.b.c"}`, "/dataType"},
		"id no string":          {`{"spec":1,"id":1}`, "/id"},
		"source that cannot be": {`{"spec":1,"source":"A"}`, "/source"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{t: t, backend: a.backend, socket: a.socket}
			p := a.call("PUT", devPath, test.body).wantProblem(400, resource.InvalidArgument)
			if len(p.Errors) == 0 || p.Errors[0].Pointer != test.pointer || p.Errors[0].Detail == "" {
				t.Errorf("errors %v, want one at %q", p.Errors, test.pointer)
			}
		})
	}
	a.call("GET", devPath, "").wantProblem(404, resource.NotFound)
}

func TestPutTellsAllFaultsAtOnce(t *testing.T) {
	a := serve(t, resource.Source)
	p := a.call("PUT", devPath, `{"x":1,"version":-1,"metadata":1}`).wantProblem(400, resource.InvalidArgument)
	if len(p.Errors) != 3 {
		t.Errorf("errors %v, want 3", p.Errors)
	}
}

func TestSourceMustFitTheQuery(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath+"?source=hub1", `{"spec":1,"source":"hub2"}`).wantProblem(400, resource.InvalidArgument, "does not fit")
	a.call("PUT", devPath, `{"spec":1,"source":"hub2"}`).wantProblem(400, resource.InvalidArgument)
	a.call("PUT", devPath+"?source=hub1", `{"spec":1,"source":"hub1"}`).want(201)
}

func TestNullMeansNotSet(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1,"specBase64":null,"contentType":null,"metadata":null,"version":null,"id":null,"source":null}`).want(201)
}

func TestPatch(t *testing.T) {
	a := serve(t, resource.Source)
	const merge = "Content-Type: application/merge-patch+json"
	a.call("PATCH", devPath, `{"spec":{}}`, merge).wantProblem(404, resource.NotFound)
	a.call("PUT", devPath, `{"spec":{"a":1,"b":2}}`).want(201)
	got := a.call("PATCH", devPath, `{ "spec": {"b":null,"c":3}, "id":"dev-1" }`, merge).want(200).resource()
	if string(got.Spec) != `{"a":1,"c":3}` || got.Version != 2 {
		t.Errorf("patched to %s, version %d", got.Spec, got.Version)
	}
	a.call("PATCH", devPath, `{}`, merge).want(200)
	for _, body := range []string{`{"id":"other"}`, `{"version":-3}`, `{"specBase64":"AA=="}`, `{"status":{}}`, `{"metadata":1}`, `[]`, ``, `{"spec":null}`} {
		a.call("PATCH", devPath, body, merge).wantProblem(400, resource.InvalidArgument)
	}
	refused := a.call("PATCH", devPath, `[{"op":"remove"}]`, "Content-Type: application/json-patch+json")
	refused.wantProblem(415, resource.UnsupportedMediaType)
	if got := refused.header.Get("Accept-Patch"); got != "application/merge-patch+json" {
		t.Errorf("Accept-Patch %q", got)
	}
}

func TestStatusAtAnAgent(t *testing.T) {
	a := serve(t, resource.Agent)
	a.backend.Receive(resource.Resource{Key: devKey, Version: 3})
	a.call("PUT", devPath, `{"spec":1}`).wantProblem(403, resource.Forbidden)

	got := a.call("PUT", devPath+"/status", `{ "ready": true }`).want(200).resource()
	if string(got.Status) != `{"ready":true}` || got.StatusVersion != 3 {
		t.Errorf("status %s of version %d", got.Status, got.StatusVersion)
	}
	a.call("PUT", devPath+"/status?version=4", `{}`).wantProblem(409, resource.Conflict)
	a.call("PUT", devPath+"/status?version=2147483648", `{}`).wantProblem(400, resource.InvalidArgument)
	a.call("PUT", devPath+"/status?version=-1", `{}`).wantProblem(400, resource.InvalidArgument)
	a.call("PUT", devPath+"/status?wait=observed", `{}`).wantProblem(400, resource.InvalidArgument, "must be published here")
	for _, body := range []string{``, `1`, `[]`, `null`, `"x"`, `{`} {
		a.call("PUT", devPath+"/status", body).wantProblem(400, resource.InvalidArgument)
	}
	patched := a.call("PATCH", devPath+"/status?version=3", `{"ready":null,"done":1}`, "Content-Type: application/merge-patch+json").want(200).resource()
	if string(patched.Status) != `{"done":1}` {
		t.Errorf("status %s", patched.Status)
	}
	a.call("PATCH", devPath+"/status?version=x", `{}`, "Content-Type: application/merge-patch+json").wantProblem(400, resource.InvalidArgument)
}

func TestDeletionAtAnAgentIsConfirmed(t *testing.T) {
	a := serve(t, resource.Agent)
	res := a.backend.Receive(resource.Resource{Key: devKey, Version: 3})
	a.call("DELETE", devPath, "").wantProblem(409, resource.Conflict)
	when := time.Now()
	a.backend.Receive(resource.Resource{Key: res.Key, Version: 3, DeletionTimestamp: &when})
	a.call("DELETE", devPath, "").want(200)
	a.call("DELETE", devPath, "").wantProblem(404, resource.NotFound)
}

func TestAConfirmationWaitsForTheBrokerIfAsked(t *testing.T) {
	a := serve(t, resource.Agent)
	a.backend.Fail = func(call string) error {
		if call == "Await" {
			return resource.Errorf(resource.DeadlineExceeded, "not yet")
		}
		return nil
	}
	when := time.Now()
	a.backend.Receive(resource.Resource{Key: devKey, Version: 3, DeletionTimestamp: &when})
	told := a.call("DELETE", devPath+"?wait=published", "").wantProblem(504, resource.DeadlineExceeded, "stored, but not published")
	if told.Resource != nil {
		t.Errorf("it tells of a resource that is gone: %+v", told.Resource)
	}
	a.backend.Receive(resource.Resource{Key: devKey, Version: 4, DeletionTimestamp: &when})
	a.call("DELETE", devPath+"?wait=observed", "").want(200, "{}") // it is gone
}

func TestAmbiguousUntilTheSourceIsNamed(t *testing.T) {
	a := serve(t, resource.Agent)
	other := devKey
	other.Source = "hub2"
	a.backend.Receive(resource.Resource{Key: devKey, Version: 1})
	a.backend.Receive(resource.Resource{Key: other, Version: 2})
	a.call("GET", devPath, "").wantProblem(409, resource.Ambiguous)
	if got := a.call("GET", devPath+"?source=hub2", "").want(200).resource(); got.Version != 2 {
		t.Errorf("got version %d of %s", got.Version, got.Source)
	}
}

func TestListInPages(t *testing.T) {
	a := serve(t, resource.Source)
	for i := range 5 {
		a.call("PUT", fmt.Sprintf("/v1/resources/%s/cluster1/dev-%d", devices, i), `{"spec":1}`).want(201)
	}
	a.call("PUT", "/v1/resources/"+devices+"/cluster2/dev-9", `{"spec":1}`).want(201)
	type page struct {
		Items    []resource.Resource
		Continue string
		Revision string
	}
	var ids []string
	var first page
	for next := ""; ; {
		var p page
		a.call("GET", "/v1/resources?dataType="+devices+"&cluster=cluster1&limit=2&continue="+url.QueryEscape(next), "").want(200).decode(&p)
		if first.Revision == "" {
			first = p
		}
		if p.Revision != first.Revision || p.Revision == "" {
			t.Errorf("page of revision %q, not %q", p.Revision, first.Revision)
		}
		for _, item := range p.Items {
			ids = append(ids, item.ID)
		}
		if next = p.Continue; next == "" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "dev-0 dev-1 dev-2 dev-3 dev-4" {
		t.Errorf("listed %s", got)
	}
	a.call("DELETE", devPath, "").want(200)
	a.call("GET", "/v1/resources?continue="+url.QueryEscape(first.Continue), "").wantProblem(410, resource.Expired)
	a.call("GET", "/v1/resources?state=observed", "").want(200, `{"items":[],"continue":"","revision":"`)
}

func TestListRefuses(t *testing.T) {
	a := serve(t, resource.Source)
	for _, query := range []string{"dataType=x", "cluster=A", "source=_", "state=lost", "limit=-1", "limit=x", "since=1", "watch=maybe", "watch=true&state=pending", "watch=true&limit=1", "watch=true&continue=x", "watch=true&since=x", "watch=true&cluster=A", "limit=%zz", "a=1;b=2"} {
		a.call("GET", "/v1/resources?"+query, "").wantProblem(400, resource.InvalidArgument)
	}
}

func TestALargeListIsWrittenInPieces(t *testing.T) {
	a := serve(t, resource.Source)
	spec := `{"spec":"` + strings.Repeat("x", 100<<10) + `"}`
	for i := range 6 {
		a.call("PUT", fmt.Sprintf("/v1/resources/%s/cluster1/dev-%d", devices, i), spec).want(201)
	}
	got := a.call("GET", "/v1/resources", "").want(200)
	var list resource.List
	got.decode(&list)
	if len(list.Items) != 6 || list.Revision == 0 || got.header.Get("Content-Length") != "" {
		t.Errorf("%d items, revision %s, length %q", len(list.Items), list.Revision, got.header.Get("Content-Length"))
	}
}

func TestDeleteOfACluster(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`).want(201)
	for _, query := range []string{"", "?cluster=cluster1", "?force=true", "?cluster=cluster1&force=false", "?cluster=A&force=true", "?cluster=cluster1&force=x"} {
		a.call("DELETE", "/v1/resources"+query, "").wantProblem(400, resource.InvalidArgument)
	}
	a.call("DELETE", "/v1/resources?cluster=cluster1&force=true", "").want(200, `{"deleted":1}`)
}

func TestWaitIsReached(t *testing.T) {
	a := serve(t, resource.Source)
	go a.backend.WhenStored(devKey, patience, func() { a.backend.SetState(devKey, resource.Observed) })
	if got := a.call("PUT", devPath+"?wait=observed", `{"spec":1}`).want(201).resource(); got.Sync.State != resource.Observed {
		t.Errorf("state %s", got.Sync.State)
	}
}

func TestWaitThatIsTooShortLeavesTheWrite(t *testing.T) {
	a := serve(t, resource.Source)
	p := a.call("PUT", devPath+"?wait=published&timeout=20ms", `{"spec":1}`).wantProblem(504, resource.DeadlineExceeded)
	if p.Resource == nil || p.Resource.ID != "dev-1" {
		t.Errorf("no resource with it: %+v", p.Resource)
	}
	a.call("GET", devPath, "").want(200)
}

func TestWaitForDeletion(t *testing.T) {
	a := serve(t, resource.Source)
	a.call("PUT", devPath, `{"spec":1}`).want(201)
	a.backend.SetState(devKey, resource.Published)
	a.call("DELETE", devPath+"?wait=observed&timeout=20ms", "").wantProblem(504, resource.DeadlineExceeded)
	time.AfterFunc(20*time.Millisecond, func() { a.backend.Confirm(devKey) })
	a.call("DELETE", devPath+"?wait=observed", "").want(200, "{}")
}

func TestWaitForWhatIsDeletedMeanwhile(t *testing.T) {
	a := serve(t, resource.Source)
	go a.backend.WhenStored(devKey, patience, func() { a.backend.Confirm(devKey) })
	a.call("PUT", devPath+"?wait=observed", `{"spec":1}`).wantProblem(409, resource.Conflict)
}

func TestWaitRefuses(t *testing.T) {
	a := serve(t, resource.Source)
	for _, query := range []string{"wait=done", "wait=published&timeout=11m", "wait=published&timeout=0s", "wait=published&timeout=5", "timeout=-1s", "timeout=5s"} {
		a.call("PUT", devPath+"?"+query, `{"spec":1}`).wantProblem(400, resource.InvalidArgument)
	}
	a.call("GET", devPath, "").wantProblem(404, resource.NotFound)
}

func TestOtherErrorsOfAWaitAreTold(t *testing.T) {
	a := serve(t, resource.Source)
	a.backend.Fail = func(call string) error {
		if call == "Await" {
			return resource.Errorf(resource.DiskFull, "no room")
		}
		return nil
	}
	a.call("PUT", devPath+"?wait=published", `{"spec":1}`).wantProblem(507, resource.DiskFull)
}

func TestRequestsCounted(t *testing.T) {
	registry := newRegistry()
	a := serve(t, resource.Source, func(o *localapi.Options) {
		o.Registerer = registry
		o.Metrics = metricsOf(registry)
	})
	a.call("GET", devPath, "").want(404)
	a.call("GET", "/nowhere", "").want(404)
	localapi.New(localapi.Options{Backend: a.backend, Registerer: registry}) // shares the counter
	a.call("GET", "/metrics", "").want(200,
		`sidecar_api_requests_total{code="404",route="GET /v1/resources/{dataType}/{cluster}/{id}"} 1`,
		`sidecar_api_requests_total{code="404",route="none"} 1`)
	serve(t, resource.Source).call("GET", "/metrics", "").wantProblem(404, resource.NotFound)
}
