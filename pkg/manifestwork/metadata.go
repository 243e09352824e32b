package manifestwork

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Metadata is the part of a Kubernetes object's metadata that a source declares
// and events carry, with the fields in the order in which Kubernetes writes
// them.
type Metadata struct {
	Name              string            `json:"name,omitempty"`
	GenerateName      string            `json:"generateName,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp *time.Time        `json:"creationTimestamp,omitempty"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	OwnerReferences   json.RawMessage   `json:"ownerReferences,omitempty"`
	Finalizers        []string          `json:"finalizers,omitempty"`
}

// ReadMetadata reads what an event or a caller gave; nothing is no metadata.
func ReadMetadata(data []byte) (m Metadata, err error) {
	if len(data) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, resource.Errorf(resource.InvalidArgument, "metadata is not that of a Kubernetes object: %w", err).WithField("/metadata")
	}
	if bytes.Equal(m.OwnerReferences, []byte("null")) {
		m.OwnerReferences = nil
	}
	return m, nil
}

// Declare is the metadata of a work as a source keeps it: what the app gave,
// with name, namespace, UID and the time of creation, and without all that
// somebody else decides (versions, deletion, finalizers). before is what is
// kept of the same work; nil of a new one. It refuses metadata without a name
// and of another work than that of the key.
func Declare(key resource.Key, before, given []byte, now time.Time) ([]byte, error) {
	m, err := ReadMetadata(given)
	if err != nil {
		return nil, err
	}
	if err := m.belongs(key); err != nil {
		return nil, err
	}
	last, _ := ReadMetadata(before) // it is ours
	created := now.UTC().Truncate(time.Second)
	if last.CreationTimestamp != nil {
		created = *last.CreationTimestamp
	}
	m.Namespace, m.UID, m.CreationTimestamp = key.Cluster, key.ID, &created
	m.ResourceVersion, m.Generation, m.DeletionTimestamp, m.Finalizers = "", 0, nil, nil
	delete(m.Annotations, SequenceIDAnnotation)
	return json.Marshal(m)
}

// belongs tells whether the metadata may be that of the work of a key.
func (m *Metadata) belongs(key resource.Key) error {
	switch {
	case m.Name == "":
		return resource.Errorf(resource.InvalidArgument, "a work needs metadata.name").WithField("/metadata/name")
	case !ValidName(m.Name):
		return resource.Errorf(resource.InvalidArgument, "the name of a work must be a DNS subdomain: at most 253 of a-z, 0-9, - and .").WithField("/metadata/name")
	case m.Namespace != "" && m.Namespace != key.Cluster:
		return resource.Errorf(resource.InvalidArgument, "the namespace of a work is its cluster, %s", key.Cluster).WithField("/metadata/namespace")
	}
	if want := ID(key.Source, key.Cluster, m.Name); want != key.ID {
		return resource.Errorf(resource.InvalidArgument, "the id of this work must be %s, which follows from source, cluster and metadata.name", want).WithField("/metadata/name")
	}
	return nil
}

// Floor is the version that the app wants for a work at least, by the SDK's
// annotation; 0 = none.
func (m *Metadata) Floor() int64 {
	floor, err := strconv.ParseInt(m.Annotations[ResourceVersionAnnotation], 10, 64)
	if err != nil || floor < 0 || floor > resource.MaxVersion {
		return 0
	}
	return floor
}

// SpecMetadata is the metadata extension of a spec: what the source keeps, with
// the version, as generation, and the time of a deletion. It depends on nothing
// else, so that the same version always carries the same. What is not metadata
// of a work is sent as it is.
func SpecMetadata(kept []byte, version int64, deleting *time.Time) string {
	m, err := ReadMetadata(kept)
	if err != nil || m.Name == "" {
		return string(kept)
	}
	m.Generation, m.ResourceVersion = version, strconv.FormatInt(version, 10)
	m.DeletionTimestamp = wholeSeconds(deleting)
	return mustMarshal(m)
}

// StatusMetadata is the metadata extension of a status: what came with the
// spec, as the agent's object shows it. finalizers are the agent's own.
func StatusMetadata(key resource.Key, received []byte, version int64, deleting *time.Time, finalizers []string) string {
	m := AgentMetadata(key, received)
	m.Generation, m.Finalizers = version, finalizers
	m.DeletionTimestamp = wholeSeconds(deleting)
	return mustMarshal(m)
}

// AgentMetadata is the metadata of a work as an agent rebuilds it from an
// event's: of the namespace that is its cluster, with the source as a label and
// the data type as an annotation. Versions, deletion and finalizers are the
// caller's to fill in.
func AgentMetadata(key resource.Key, received []byte) Metadata {
	m, err := ReadMetadata(received)
	if err != nil {
		m = Metadata{}
	}
	if m.Name == "" {
		m.Name = key.ID
	}
	m.UID, m.Namespace = key.ID, key.Cluster
	m.ResourceVersion, m.Generation, m.DeletionTimestamp, m.Finalizers = "", 0, nil, nil
	m.Labels = with(m.Labels, OriginalSourceLabel, key.Source)
	m.Annotations = with(m.Annotations, DataTypeAnnotation, string(key.DataType))
	return m
}

func with(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = make(map[string]string, 1)
	}
	m[name] = value
	return m
}

// wholeSeconds is a time as Kubernetes writes it in metadata.
func wholeSeconds(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	whole := t.UTC().Truncate(time.Second)
	return &whole
}

// mustMarshal writes what was read from JSON or is made of strings.
func mustMarshal(m Metadata) string {
	b, err := json.Marshal(m)
	if err != nil {
		return "{}"
	}
	return string(b)
}
