package workapi_test

import (
	"encoding/json"
	"testing"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/workapi"
)

const (
	usualMetadata = `{"name":"w1","namespace":"cluster1","uid":"id1","creationTimestamp":"2026-11-22T05:00:00Z","labels":{"app":"demo"},` +
		`"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"a\":1}\n"},"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"o","uid":"u"}]}`
	usualSpec = `{"manifests":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm1"}}],"deleteOption":{"propagationPolicy":"Orphan"},` +
		`"manifestConfigs":[{"resourceIdentifier":{"resource":"configmaps","name":"cm1"}}],"executer":{"subject":{"type":"ServiceAccount"}}}`
	usualStatus = `{"conditions":[{"type":"Applied","status":"True","reason":"Done","lastTransitionTime":"2026-11-22T05:00:00Z","message":""}],` +
		`"resourceStatus":[{"resourceMeta":{"ordinal":0,"name":"cm1"},"conditions":[],"statusFeedback":{}}]}`
	usualManaged = `[{"manager":"kubectl","operation":"Apply","apiVersion":"work.open-cluster-management.io/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{}}}]`
)

// rawCase is a record as it may be in the store.
type rawCase struct {
	agent, born, finalizer, confirmed bool
	text                              bool // its spec is no JSON by its media type
	sequence                          int64
	metadata, spec, status, managed   string
}

// record is false for what no store holds.
func (c *rawCase) record() (rec *store.Record, ok bool) {
	at := time.Date(2026, 11, 22, 5, 30, 7, 900, time.UTC)
	rec = &store.Record{Meta: &store.Meta{Key: resource.Key{DataType: manifestwork.Bundles, Source: "hub1", Cluster: "cluster1", ID: "id1"},
		Version: 3, ObjectRevision: 7, ContentType: resource.JSONContentType, SequenceID: c.sequence, HasStatus: c.status != ""}}
	rec.Metadata, rec.Spec, rec.Status = []byte(c.metadata), []byte(c.spec), []byte(c.status)
	if c.text {
		rec.ContentType = "text/plain"
	}
	if c.born {
		rec.BornTime = at
	}
	if c.confirmed {
		rec.Confirmed = at
	}
	var local manifestwork.Local
	if c.finalizer {
		local.Finalizers = []string{"example.com/hold"}
	}
	if c.managed != "" {
		var fields []metav1.ManagedFieldsEntry
		if json.Unmarshal([]byte(c.managed), &fields) != nil {
			return nil, false
		}
		local.ManagedFields, _ = json.Marshal(fields)
	}
	var err error
	rec.Local, err = local.Encode()
	ok = err == nil && (c.text || json.Valid(rec.Spec)) && (c.metadata == "" || json.Valid(rec.Metadata)) && (c.status == "" || json.Valid(rec.Status))
	return rec, ok
}

func (c *rawCase) role() resource.Role {
	if c.agent {
		return resource.Agent
	}
	return resource.Source
}

// check compares the two ways to a work; it tells whether the short one was gone.
func (c *rawCase) check(t *testing.T) bool {
	t.Helper()
	rec, ok := c.record()
	if !ok {
		return false
	}
	raw, ok := workapi.Raw(c.role(), rec, "w1")
	if !ok {
		return false
	}
	var got workv1.ManifestWork
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%+v: %s: %v", c, raw, err)
	}
	if want := workapi.Work(c.role(), rec, "w1"); !apiequality.Semantic.DeepEqual(&got, want) {
		long, _ := json.Marshal(want)
		t.Errorf("%+v:\n%s\n%s", c, raw, long)
	}
	return true
}

// The bytes of a list show the same works as the Go types do.
func TestRawWorksAreThoseOfTheTypes(t *testing.T) {
	for name, c := range map[string]rawCase{
		"source":             {metadata: usualMetadata, spec: usualSpec},
		"source with status": {metadata: usualMetadata, spec: usualSpec, status: usualStatus, sequence: 12},
		"agent":              {agent: true, metadata: usualMetadata, spec: usualSpec, status: usualStatus, sequence: 12},
		"agent, deployed":    {agent: true, metadata: `{"name":"w1"}`, spec: `{"manifests":[]}`, born: true, finalizer: true},
		"applied":            {metadata: usualMetadata, spec: usualSpec, managed: usualManaged, finalizer: true, status: `{"conditions":[]}`},
		"confirmed":          {metadata: usualMetadata, spec: usualSpec, confirmed: true, status: usualStatus},
		"odd manifests":      {metadata: `{"generation":7,"resourceVersion":"9","generateName":"w"}`, spec: ` { "manifests" : [ 7 , null , "x" ] } `},
	} {
		if !c.check(t) {
			t.Errorf("%s: not of the usual form", name)
		}
	}
}

// What clients could not read is never copied.
func TestOddWorksGoTheLongWay(t *testing.T) {
	for name, c := range map[string]rawCase{
		"no metadata":        {spec: usualSpec},
		"a number as label":  {metadata: `{"name":"w1","labels":{"a":1}}`, spec: usualSpec},
		"labels as list":     {metadata: `{"name":"w1","labels":[]}`, spec: usualSpec},
		"own label":          {agent: true, metadata: `{"labels":{"` + manifestwork.OriginalSourceLabel + `":"other"}}`, spec: usualSpec},
		"own, spelled":       {agent: true, metadata: `{"labels":{"cloudevents.open-cluster-management.io\/originalsource":"other"}}`, spec: usualSpec},
		"fraction of second": {metadata: `{"creationTimestamp":"2026-11-22T05:00:00.5Z"}`, spec: usualSpec},
		"no time":            {metadata: `{"creationTimestamp":"2026-13-22T05:00:00Z"}`, spec: usualSpec},
		"name of no text":    {metadata: `{"name":7}`, spec: usualSpec},
		"other case":         {metadata: `{"Labels":{"a":"b"}}`, spec: usualSpec},
		"twice":              {metadata: `{"labels":{"a":"b"},"labels":{"c":"d"}}`, spec: usualSpec},
		"owners as text":     {metadata: `{"ownerReferences":"me"}`, spec: usualSpec},
		"manifests as text":  {metadata: usualMetadata, spec: `{"manifests":"none"}`},
		"option as number":   {metadata: usualMetadata, spec: `{"manifests":[],"deleteOption":7}`},
		"unknown in spec":    {metadata: usualMetadata, spec: `{"manifests":[],"executor":{}}`},
		"spec of no JSON":    {text: true, metadata: usualMetadata, spec: `{"manifests":[}]}`},
		"status as text":     {metadata: usualMetadata, spec: usualSpec, status: `{"conditions":"none"}`},
	} {
		if _, ok := c.record(); !ok {
			t.Errorf("%s: no record", name)
		}
		if c.check(t) {
			t.Errorf("%s: copied", name)
		}
	}
}

func FuzzRaw(f *testing.F) {
	f.Add(byte(0), int64(0), usualMetadata, usualSpec, "", "")
	f.Add(byte(1), int64(5), usualMetadata, usualSpec, usualStatus, usualManaged)
	f.Add(byte(14), int64(5), `{"name":"w1"}`, `{"manifests":[]}`, `{"conditions":[]}`, "")
	f.Fuzz(func(t *testing.T, flags byte, sequence int64, metadata, spec, status, managed string) {
		c := rawCase{agent: flags&1 != 0, born: flags&2 != 0, finalizer: flags&4 != 0, confirmed: flags&8 != 0, text: flags&16 != 0,
			sequence: sequence, metadata: metadata, spec: spec, status: status, managed: managed}
		c.check(t)
	})
}
