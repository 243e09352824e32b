package workapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	inCluster1 = "/apis/work.open-cluster-management.io/v1/namespaces/cluster1/manifestworks"
	merge      = "application/merge-patch+json"
	plain      = "application/json"
	apply      = "application/apply-patch+yaml"
)

// must is a call with that answer.
func (w *world) must(t testing.TB, want int, method, path, contentType, body string) string {
	t.Helper()
	code, answer := w.call(t, method, path, contentType, body)
	if code != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, code, want, answer)
	}
	return answer
}

func decode[T any](t testing.TB, text string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func asWork(t testing.TB, text string) workv1.ManifestWork {
	t.Helper()
	return decode[workv1.ManifestWork](t, text)
}

func TestASourcesAppDeclaresWorks(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")))
	if string(made.UID) != manifestwork.ID("hub1", "cluster1", "w1") || made.Generation != 1 || made.CreationTimestamp.IsZero() {
		t.Errorf("made %+v", made.ObjectMeta)
	}
	w.must(t, 409, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))

	changed := asWork(t, w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"labels":{"app":"other"}}}`))
	if changed.Generation != 2 || changed.ResourceVersion == made.ResourceVersion {
		t.Errorf("generation %d, resourceVersion %s after %s", changed.Generation, changed.ResourceVersion, made.ResourceVersion)
	}
	same := asWork(t, w.must(t, 200, "PATCH", inCluster1+"/w1", merge, `{"metadata":{"labels":{"app":"other"}}}`))
	if same.ResourceVersion != changed.ResourceVersion {
		t.Error("a patch that changes nothing made another version")
	}
	stale := strings.Replace(workJSON("cluster1", "w1", "v2"), `"name":"w1"`, `"name":"w1","resourceVersion":"`+made.ResourceVersion+`"`, 1)
	w.must(t, 409, "PUT", inCluster1+"/w1", plain, stale)

	w.must(t, 200, "DELETE", inCluster1+"/w1", "", "") // it never left: it is gone at once
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
}

func TestDefaultsAndDryRun(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	body := strings.Replace(workJSON("cluster1", "w1", "v1"), `"spec":{`, `"spec":{"deleteOption":{},"manifestConfigs":[{"resourceIdentifier":{"group":"","resource":"configmaps","name":"cm1","namespace":"default"},"updateStrategy":{"type":"ServerSideApply","serverSideApply":{}}}],`, 1)
	made := asWork(t, w.must(t, 201, "POST", inCluster1+"?dryRun=All", plain, body))
	if made.Spec.DeleteOption.PropagationPolicy != "Foreground" || string(made.UID) != manifestwork.ID("hub1", "cluster1", "w1") {
		t.Errorf("%+v", made)
	}
	if config := made.Spec.ManifestConfigs[0]; config.FeedbackScrapeType != "Poll" || config.UpdateStrategy.ServerSideApply.FieldManager != "work-agent" {
		t.Errorf("defaults %+v", config)
	}
	w.must(t, 404, "GET", inCluster1+"/w1", "", "")
}

func TestGenerateName(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	body := strings.Replace(workJSON("cluster1", "", "v1"), `"name":""`, `"generateName":"w-"`, 1)
	if made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, body)); !strings.HasPrefix(made.Name, "w-") || len(made.Name) != 7 {
		t.Errorf("name %q", made.Name)
	}
}

func TestServerSideApply(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	path := inCluster1 + "/w1?fieldManager="
	w.must(t, 201, "PATCH", path+"one", apply, workJSON("cluster1", "w1", "v1"))
	w.must(t, 409, "PATCH", path+"two", apply, workJSON("cluster1", "w1", "v2"))
	forced := asWork(t, w.must(t, 200, "PATCH", path+"two&force=true", apply, workJSON("cluster1", "w1", "v2")))
	if forced.Generation != 2 || len(forced.ManagedFields) != 2 {
		t.Errorf("generation %d, managed fields %+v", forced.Generation, forced.ManagedFields)
	}
	again := asWork(t, w.must(t, 200, "PATCH", path+"two&force=true", apply, workJSON("cluster1", "w1", "v2")))
	if again.ResourceVersion != forced.ResourceVersion {
		t.Error("the same once more made another version")
	}
	// Who manages what is nobody's business but this sidecar's.
	key := resource.Key{DataType: manifestwork.Bundles, Cluster: "cluster1", ID: string(forced.UID)}
	if res, err := w.engine.Get(t.Context(), key); err != nil || strings.Contains(string(res.Metadata), "managedFields") {
		t.Errorf("metadata %s, %v", res.Metadata, err)
	}
}

func TestWhatIsNotValidNamesItsField(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	manifest := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1"}}`
	for field, spec := range map[string]string{
		"spec.workload.manifests":                                   `{"workload":{"manifests":[]}}`,
		"spec.workload.manifests[0].kind":                           `{"workload":{"manifests":[{"apiVersion":"v1","metadata":{"name":"x"}}]}}`,
		"spec.workload.manifests[1].metadata.name":                  `{"workload":{"manifests":[` + manifest + `,{"apiVersion":"v1","kind":"Pod"}]}}`,
		"spec.deleteOption.propagationPolicy":                       `{"deleteOption":{"propagationPolicy":"No"},"workload":{"manifests":[` + manifest + `]}}`,
		"spec.manifestConfigs[0].resourceIdentifier.name":           `{"manifestConfigs":[{"resourceIdentifier":{"resource":"x"}}],"workload":{"manifests":[` + manifest + `]}}`,
		"spec.manifestConfigs[0].conditionRules[0]":                 `{"manifestConfigs":[{"resourceIdentifier":{"resource":"x","name":"y"},"conditionRules":[{"condition":"","type":"CEL"}]}],"workload":{"manifests":[` + manifest + `]}}`,
		"spec.executor.subject.serviceAccount.namespace":            `{"executor":{"subject":{"type":"ServiceAccount","serviceAccount":{"name":"a","namespace":"A!"}}},"workload":{"manifests":[` + manifest + `]}}`,
		"spec.manifestConfigs[0].feedbackRules[0].jsonPaths[1]":     `{"manifestConfigs":[{"resourceIdentifier":{"resource":"x","name":"y"},"feedbackRules":[{"type":"JSONPaths","jsonPaths":[{"name":"a","path":".a"},{"name":"a","path":".b"}]}]}],"workload":{"manifests":[` + manifest + `]}}`,
		"spec.manifestConfigs[0].updateStrategy.serverSideApply.fi": `{"manifestConfigs":[{"resourceIdentifier":{"resource":"x","name":"y"},"updateStrategy":{"type":"ServerSideApply","serverSideApply":{"fieldManager":"other"}}}],"workload":{"manifests":[` + manifest + `]}}`,
	} {
		body := `{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork","metadata":{"name":"bad"},"spec":` + spec + `}`
		if answer := w.must(t, 422, "POST", inCluster1, plain, body); !strings.Contains(answer, field) {
			t.Errorf("%s is not named: %s", field, answer)
		}
	}
	none := `{"apiVersion":"work.open-cluster-management.io/v1","kind":"ManifestWork","spec":{"workload":{"manifests":[7]}}}`
	if answer := w.must(t, 400, "PATCH", inCluster1+"/bad?fieldManager=x", apply, none); !strings.Contains(answer, "spec.workload.manifests[0]") {
		t.Errorf("what is no object is not named: %s", answer)
	}
	number := strings.Replace(workJSON("cluster1", "bad", "v1"), `"v1"}}]`, `1e999}}]`, 1)
	if answer := w.must(t, 400, "POST", inCluster1, plain, number); !strings.Contains(answer, "spec.workload.manifests[0]") {
		t.Errorf("a number that nobody can read is not named: %s", answer)
	}
	large := workJSON("cluster1", "large", strings.Repeat("x", manifestwork.DefaultMaxBytes))
	w.must(t, 422, "POST", inCluster1, plain, large)
	w.must(t, 422, "POST", strings.Replace(inCluster1, "cluster1", "not.a.cluster", 1), plain, workJSON("not.a.cluster", "w", "v"))
}

func TestBothDataTypes(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	single := func(name, more string) string {
		return strings.Replace(workJSON("cluster1", name, "v1"), `"labels"`, `"annotations":{"cloudevents.open-cluster-management.io/datatype":"`+string(manifestwork.Manifests)+`"`+more+`},"labels"`, 1)
	}
	made := asWork(t, w.must(t, 201, "POST", inCluster1, plain, single("one", "")))
	res, err := w.engine.Get(t.Context(), resource.Key{DataType: manifestwork.Manifests, Cluster: "cluster1", ID: string(made.UID)})
	if err != nil || !strings.HasPrefix(string(res.Spec), `{"manifest":{`) {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := asWork(t, w.must(t, 200, "GET", inCluster1+"/one", "", "")); len(got.Spec.Workload.Manifests) != 1 {
		t.Errorf("spec %+v", got.Spec)
	}
	w.must(t, 422, "POST", inCluster1, plain, strings.Replace(single("two", ""), `"spec":{`, `"spec":{"executor":{"subject":{"type":"ServiceAccount","serviceAccount":{"name":"a","namespace":"b"}}},`, 1))
	w.must(t, 422, "PATCH", inCluster1+"/one", merge, `{"metadata":{"annotations":{"cloudevents.open-cluster-management.io/datatype":null}}}`)
}

func TestListsSelectAndPage(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	for i := range 7 {
		namespace := fmt.Sprintf("cluster%d", 1+i%2)
		body := strings.Replace(workJSON(namespace, fmt.Sprintf("w%d", i), "v1"), `"demo"`, fmt.Sprintf(`"app%d"`, i%3), 1)
		w.must(t, 201, "POST", strings.Replace(inCluster1, "cluster1", namespace, 1), plain, body)
	}
	names := func(path, accept string) (names []string) {
		for next := ""; ; {
			list := decode[workv1.ManifestWorkList](t, w.accept(t, path+"&continue="+url.QueryEscape(next), accept))
			for _, item := range list.Items {
				names = append(names, item.Namespace+"/"+item.Name)
			}
			if next = list.Continue; next == "" {
				return names
			}
		}
	}
	for query, want := range map[string]string{
		worksPath + "?x=":  "[cluster1/w0 cluster1/w2 cluster1/w4 cluster1/w6 cluster2/w1 cluster2/w3 cluster2/w5]",
		inCluster1 + "?x=": "[cluster1/w0 cluster1/w2 cluster1/w4 cluster1/w6]",
		worksPath + "?limit=2&labelSelector=app%3Dapp0":    "[cluster1/w0 cluster1/w6 cluster2/w3]",
		worksPath + "?fieldSelector=metadata.name%3Dw3":    "[cluster2/w3]",
		inCluster1 + "?fieldSelector=metadata.name%3Dw3":   "[]",
		worksPath + "?limit=3&labelSelector=app+in+(none)": "[]",
	} {
		for _, accept := range []string{"application/json", "application/yaml;q=0,application/json"} {
			if got := fmt.Sprint(names(query, accept)); got != want {
				t.Errorf("%s, %s: %s, want %s", query, accept, got, want)
			}
		}
	}
	w.must(t, 410, "GET", worksPath+"?continue=Z29uZS5hYWFh", "", "")
	w.must(t, 400, "GET", worksPath+"?continue=%21", "", "")
	w.must(t, 400, "GET", worksPath+"?fieldSelector=spec.x%3Dy", "", "")
	w.must(t, 200, "DELETE", inCluster1+"?labelSelector=app%3Dapp0", "", "")
	if got := fmt.Sprint(names(inCluster1+"?x=", "application/json")); got != "[cluster1/w2 cluster1/w4]" {
		t.Errorf("left %s", got)
	}
}

func TestTheBytesOfAListSayWhatTheGoTypesSay(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, strings.Replace(workJSON("cluster1", "w1", "v1"), `"spec":{`, `"spec":{"deleteOption":{},"executor":{"subject":{"type":"ServiceAccount","serviceAccount":{"name":"a","namespace":"b"}}},`, 1))
	w.must(t, 201, "PATCH", inCluster1+"/w2?fieldManager=x", apply, workJSON("cluster1", "w2", "v1"))
	raw := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath, "application/json"))
	typed := decode[workv1.ManifestWorkList](t, w.accept(t, worksPath+"?pretty=false", "application/json"))
	a, _ := json.Marshal(raw)
	b, _ := json.Marshal(typed)
	if string(a) != string(b) || len(raw.Items) != 2 {
		t.Errorf("bytes\n%s\ntypes\n%s", a, b)
	}
}

func TestTables(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	w.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	text := w.accept(t, worksPath, "application/json;as=Table;v=v1;g=meta.k8s.io")
	for _, want := range []string{`"Generation"`, `"Applied"`, `"Available"`, `"Sync"`, `"pending"`, `"w1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestWhatARoleMayNot(t *testing.T) {
	source, agent := newWorld(t, resource.Source, t.TempDir()), newWorld(t, resource.Agent, t.TempDir())
	source.must(t, 201, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1"))
	if text := source.must(t, 403, "PATCH", inCluster1+"/w1/status", merge, `{"status":{}}`); !strings.Contains(text, "agent") {
		t.Errorf("no reason: %s", text)
	}
	if text := agent.must(t, 403, "POST", inCluster1, plain, workJSON("cluster1", "w1", "v1")); !strings.Contains(text, "source") {
		t.Errorf("no reason: %s", text)
	}
	agent.must(t, 403, "DELETE", inCluster1+"/w1", "", "")
	agent.must(t, 403, "DELETE", inCluster1, "", "")
}

func TestDocuments(t *testing.T) {
	w := newWorld(t, resource.Source, t.TempDir())
	for path, want := range map[string]string{
		"/version":                    `"v1.36`,
		"/api":                        `"v1"`,
		"/api/v1":                     `"namespaces"`,
		"/apis":                       "work.open-cluster-management.io",
		"/openapi/v2":                 "io.open-cluster-management.api.work.v1.ManifestWork",
		"/openapi/v3":                 "apis/work.open-cluster-management.io/v1",
		"/api/v1/namespaces/cluster1": `"cluster1"`,
		"/openapi/v3/apis/work.open-cluster-management.io/v1": `"x-kubernetes-group-version-kind"`,
	} {
		if text := w.must(t, 200, "GET", path, "", ""); !strings.Contains(text, want) {
			t.Errorf("%s has no %s: %.300s", path, want, text)
		}
	}
}

// The schema is the one that OCM publishes.
func TestTheCRDIsTheModules(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "open-cluster-management.io/api").Output()
	if err != nil {
		t.Skipf("where the module is cannot be told: %v", err)
	}
	published, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "work/v1/0000_00_work.open-cluster-management.io_manifestworks.crd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile("schema/manifestworks.crd.yaml")
	if err != nil || string(ours) != string(published) {
		t.Errorf("schema/manifestworks.crd.yaml is another than that of the module: copy it (%v)", err)
	}
}
