package openapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/test/build"
)

const (
	devices  = "com.example.fleet.v1alpha1.devices"
	cluster1 = "/v1/resources/" + devices + "/cluster1/"
	dev1     = cluster1 + "dev-1"
	queue    = "/v1/queues/resources"
)

func seen(operationID string, status int) string { return operationID + " " + strconv.Itoa(status) }

// A source and an agent with a broker between them: each call, each answer that
// is no error, and many that are.
func TestSidecarsAnswerAsDocumented(t *testing.T) {
	seenAnswers := map[string]bool{}
	source, agent := startSidecars(t, seenAnswers)
	declare(source, agent)
	report(source, agent)
	deleteBoth(source, agent)
	mendQueue(source, agent)
	if build.HasKubernetes() {
		work(source, agent)
	}
	lookAround(source, agent)
	source.want(200, "DELETE", "/v1/resources?cluster=cluster9&force=true", "")
	source.want(200, "POST", "/v1/shutdown", "")
	operations(source.doc, func(name string, _ *openapi3.PathItem, op *openapi3.Operation) {
		if isKubernetes(op) && !build.HasKubernetes() {
			return
		}
		for status := range op.Responses.Map() {
			if status < "400" && !seenAnswers[op.OperationID+" "+status] {
				t.Errorf("%s never answered %s", name, status)
			}
		}
	})
}

func declare(source, agent *server) {
	source.want(201, "PUT", dev1, `{"spec":{"model":"tractor-x"},"metadata":{"labels":{"field":"north"}}}`)
	got := source.want(200, "GET", dev1, "")
	source.unchanged(dev1, got.header.Get("ETag"))
	source.want(200, "HEAD", dev1, "")
	source.want(200, "PUT", dev1, string(got.body))
	source.want(200, "PATCH", dev1, `{"spec":{"color":"red"}}`, "Content-Type", "application/merge-patch+json")
	source.want(201, "PUT", cluster1+"dev-2", `{"specBase64":"AP8=","contentType":"application/octet-stream"}`)

	line := fmt.Sprintf(`{"dataType":%q,"cluster":"cluster9","id":"dev-8","spec":{}}`, devices) + "\n"
	source.want(200, "POST", "/v1/resources/apply", line, "Content-Type", "application/x-ndjson")
	source.want(422, "POST", "/v1/resources/apply?prune=true&cluster=cluster9&dataType="+devices, line+"{}\n")

	source.want(400, "PUT", dev1, `{"specc":{}}`)
	source.want(400, "PUT", "/v1/resources/com.example.fleet.v1alpha1.unknown/cluster1/x", `{"spec":1}`)
	source.want(409, "PATCH", cluster1+"dev-2", `{"spec":{}}`, "Content-Type", "application/merge-patch+json")
	source.want(412, "PUT", dev1, `{"spec":1}`, "If-Match", `"1"`)
	source.want(412, "PUT", dev1, `{"spec":1}`, "If-None-Match", "*")
	source.want(413, "PUT", dev1, `{"spec":"`+strings.Repeat("x", 1<<20)+`"}`)
	source.want(415, "PATCH", dev1, `{"spec":1}`, "Content-Type", "application/json")
	source.want(504, "PUT", "/v1/resources/"+devices+"/cluster9/dev-9?wait=observed&timeout=50ms", `{"spec":1}`)
	source.want(404, "GET", cluster1+"none", "")
	source.want(404, "GET", dev1+"?source=other", "")
	source.want(403, "PUT", dev1+"/status", `{}`)
	agent.want(403, "PUT", dev1, `{"spec":1}`)

	source.want(200, "GET", "/v1/resources?cluster=cluster1&limit=1", "")
	source.want(200, "GET", "/v1/resources?state=pending", "")
	source.want(410, "GET", "/v1/resources?continue=none", "")
	source.want(410, "GET", "/v1/resources?watch=true&since=1", "")
	source.watch("/v1/resources?watch=true", "SYNCED")
}

// unchanged gets a resource until it is the one of the tag: it is being
// published meanwhile.
func (s *server) unchanged(target, tag string) {
	s.t.Helper()
	for range 100 {
		got := s.call("GET", target, "", "If-None-Match", tag)
		if got.status == http.StatusNotModified {
			return
		}
		tag = got.header.Get("ETag")
	}
	s.t.Fatalf("%s changes all the time", target)
}

// watch reads the lines of a watch up to one of that type.
func (s *server) watch(target, until string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", "http://sidecar"+target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var lines bytes.Buffer
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		lines.Write(append(scanner.Bytes(), '\n'))
		if strings.Contains(scanner.Text(), `"type":"`+until+`"`) {
			s.check(req, "", response, lines.Bytes())
			return
		}
	}
	s.t.Fatalf("%s ended before %s: %s", target, until, lines.Bytes())
}

// lease takes the item of a resource; others go back when they lapse.
func (s *server) lease(id string) (lease string) {
	s.t.Helper()
	s.until("POST", queue+"/lease", `{"wait":"5s","leaseFor":"1m"}`, func(got answer) bool {
		var leased struct{ Items []resource.LeaseItem }
		if err := json.Unmarshal(got.body, &leased); err != nil || got.status != 200 {
			s.t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		for _, item := range leased.Items {
			if item.Key.ID == id {
				lease = item.Lease
				continue
			}
			s.want(200, "POST", "/v1/leases/"+item.Lease, `{}`)
		}
		return lease != ""
	})
	return lease
}

func report(source, agent *server) {
	lease := agent.lease("dev-1")
	agent.want(200, "POST", "/v1/leases/"+lease, `{"result":"extend","leaseFor":"5m"}`)
	agent.want(400, "POST", "/v1/leases/"+lease, `{"result":"perhaps"}`)
	agent.want(200, "POST", "/v1/leases/"+lease, `{"status":{"online":true}}`)
	agent.want(404, "POST", "/v1/leases/"+lease, `{}`)
	agent.want(200, "PUT", dev1+"/status?wait=published", `{"online":true,"load":0.5}`)
	agent.want(200, "PATCH", dev1+"/status", `{"load":null}`, "Content-Type", "application/merge-patch+json")
	agent.want(409, "PUT", dev1+"/status?version=99", `{}`)
	agent.want(409, "DELETE", dev1, "")
	agent.want(404, "PUT", cluster1+"none/status", `{}`)
	source.want(200, "PUT", dev1+"?wait=observed", `{"spec":{"model":"tractor-x","color":"red"},"metadata":{"labels":{"field":"north"}}}`)
	lease = source.lease("dev-1")
	source.want(403, "POST", "/v1/leases/"+lease, `{"deleted":true}`)
	source.want(200, "POST", "/v1/leases/"+lease, "")
}

func deleteBoth(source, agent *server) {
	isDeleting := func(got answer) bool { return bytes.Contains(got.body, []byte(`"deletionTimestamp":"`)) }
	for _, id := range []string{"dev-1", "dev-2"} {
		source.want(202, "DELETE", cluster1+id, "")
		source.want(409, "PUT", cluster1+id, `{"spec":1}`)
		agent.until("GET", cluster1+id, "", isDeleting)
	}
	agent.want(200, "DELETE", dev1, "")
	agent.want(404, "DELETE", dev1, "")
	agent.want(200, "PUT", cluster1+"dev-2/status", `{"conditions":[{"type":"Deleted","status":"True"}]}`)
	source.until("DELETE", dev1+"?wait=observed", "", func(got answer) bool { return got.status == 200 || got.status == 404 })
	source.want(201, "PUT", "/v1/resources/"+devices+"/cluster9/gone", `{"spec":1}`)
	source.want(200, "DELETE", "/v1/resources/"+devices+"/cluster9/gone?force=true", "")
}

func mendQueue(source, agent *server) {
	source.want(201, "PUT", cluster1+"dev-3", `{"spec":3}`)
	lease := agent.lease("dev-3")
	agent.want(200, "POST", "/v1/leases/"+lease, `{"result":"failed","retry":false,"error":"no such model"}`)
	agent.want(200, "GET", queue+"/dead", "")
	key := fmt.Sprintf(`{"key":{"dataType":%q,"cluster":"cluster1","id":"dev-3"}}`, devices)
	agent.want(200, "POST", queue+"/dead/retry", key)
	agent.want(404, "POST", queue+"/dead/retry", key)
	agent.want(200, "POST", queue+"/requeue", key)
	lease = agent.lease("dev-3")
	agent.want(200, "POST", "/v1/leases/"+lease, `{"result":"failed","retry":false}`)
	agent.want(200, "POST", queue+"/dead/drop", key)
	agent.want(200, "POST", queue+"/dead/drop", "")
	agent.want(200, "POST", queue+"/requeue", `{"all":true}`)
	agent.want(400, "POST", queue+"/requeue", `{}`)
	agent.want(200, "GET", queue, "")
	agent.want(200, "GET", "/v1/queues", "")
	agent.want(404, "GET", "/v1/queues/none", "")
}

func lookAround(source, agent *server) {
	source.want(200, "POST", "/v1/resync", `{"cluster":"cluster1"}`)
	source.want(400, "POST", "/v1/resync", `{"source":"hub1"}`)
	source.want(200, "POST", "/v1/synced", `{"cluster":"cluster1"}`)
	agent.want(403, "POST", "/v1/synced", "")
	for _, s := range []*server{source, agent} {
		s.want(200, "GET", "/v1/status", "")
		s.want(200, "GET", "/v1/backup", "")
		s.want(200, "GET", "/livez?verbose", "")
		s.until("GET", "/readyz?verbose", "", func(got answer) bool { return got.status == 200 })
		s.want(200, "GET", "/readyz?exclude=broker&exclude=resync", "")
		s.want(200, "GET", "/readyz/broker", "")
		s.want(404, "GET", "/readyz/none", "")
		s.want(200, "GET", "/metrics", "")
		for _, name := range []string{"/openapi.yaml", "/openapi.json"} {
			tag := s.want(200, "GET", name, "").header.Get("ETag")
			s.want(304, "GET", name, "", "If-None-Match", tag)
		}
		s.want(405, "POST", "/v1/status", "")
		s.want(404, "GET", "/nowhere", "")
	}
}

// Every example of a request is taken by the role whose call it is, and by no
// other.
func TestTheServerTakesTheExamplesOfRequests(t *testing.T) {
	for _, role := range []resource.Role{resource.Source, resource.Agent} {
		backend := apitest.New(role)
		s := newServer(t, apitest.Serve(t, localapi.Options{Backend: backend}), map[string]bool{})
		operations(s.doc, func(name string, path *openapi3.PathItem, op *openapi3.Operation) {
			if op.RequestBody == nil || isKubernetes(op) {
				return
			}
			method, pattern, _ := strings.Cut(name, " ")
			for media, content := range op.RequestBody.Value.Content {
				for _, body := range bodies(t, content) {
					backend.Receive(resource.Resource{Key: resource.Key{DataType: devices, Source: apitest.Name, Cluster: "cluster1", ID: "dev-1"}, Version: 1, Spec: json.RawMessage(`{}`)})
					got := s.call(method, fillPath(pattern, path, op), body, "Content-Type", media)
					others := op.Extensions["x-role"] != nil && op.Extensions["x-role"] != string(role)
					if got.status == 400 || (got.status == 403) != others {
						t.Errorf("%s: %s with the example %s: %d %s", role, name, body, got.status, got.body)
					}
				}
			}
		})
	}
}

func bodies(t *testing.T, content *openapi3.MediaType) (all []string) {
	t.Helper()
	values := []any{content.Example}
	for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
		values = append(values, content.Examples[name].Value.Value)
	}
	for _, value := range values {
		if value == nil {
			continue
		}
		if text, ok := value.(string); ok { // lines
			all = append(all, text)
			continue
		}
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(body))
	}
	return all
}

// fillPath puts the examples of the path parameters into a pattern.
func fillPath(pattern string, path *openapi3.PathItem, op *openapi3.Operation) string {
	for _, p := range inPath(path, op) {
		pattern = strings.ReplaceAll(pattern, "{"+p.Value.Name+"}", fmt.Sprint(p.Value.Example))
	}
	return pattern
}
