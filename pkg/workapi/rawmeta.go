package workapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/pkg/manifestwork"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// declaredParts are the members of metadata that are shown as they are kept.
type declaredParts struct {
	created, generateName, owners []byte
	labels, annotations           []byte
}

// readDeclared takes metadata apart. It is false of what has members that are
// not usual, or not of their type.
func readDeclared(metadata []byte) (p declaredParts, ok bool) {
	var space [16]member
	fields, ok := split(space[:0], metadata)
	if !ok {
		return p, false
	}
	for _, f := range fields {
		switch string(f.name) {
		case `"name"`, `"namespace"`, `"uid"`, `"resourceVersion"`: // this side says what they are
			ok = f.value[0] == '"'
		case `"generation"`:
			_, err := strconv.ParseInt(string(f.value), 10, 64)
			ok = err == nil
		case `"generateName"`:
			p.generateName, ok = f.value, f.value[0] == '"'
		case `"creationTimestamp"`:
			p.created, ok = f.value, isTime(f.value)
		case `"ownerReferences"`:
			p.owners, ok = f.value, is[[]metav1.OwnerReference](f.value)
		case `"labels"`:
			p.labels, ok = f.value, true
		case `"annotations"`:
			p.annotations, ok = f.value, true
		default:
			ok = false
		}
		if !ok {
			return p, false
		}
	}
	return p, true
}

// isTime tells whether a value is a time as Kubernetes writes it in metadata.
func isTime(value []byte) bool {
	const form = `"2006-01-02T15:04:05Z"`
	if len(value) != len(form) {
		return false
	}
	at, err := time.Parse(form, string(value))
	return err == nil && !at.IsZero()
}

// appendMetadata is codec.metadata as JSON, of the bytes that are kept. It is
// false, and b of no use, if they are not of the usual form or the work is being
// deleted.
func (c codec) appendMetadata(b []byte, rec *store.Record, name string) ([]byte, bool) {
	declared, ok := readDeclared(rec.Metadata)
	if !ok || !rec.Deleting.IsZero() {
		return b, false
	}
	b = append(append(b, `{"name":`...), quoted(name)...)
	b = appendMember(b, "namespace", quoted(rec.Key.Cluster))
	b = appendMember(b, "uid", quoted(rec.Key.ID))
	b = append(append(b, `,"resourceVersion":"`...), rec.ObjectRevision.String()...)
	b = append(b, '"')
	if rec.Version != 0 {
		b = strconv.AppendInt(append(b, `,"generation":`...), rec.Version, 10)
	}
	switch {
	case declared.created != nil:
		b = appendMember(b, "creationTimestamp", declared.created)
	case !rec.BornTime.IsZero():
		b = rec.BornTime.UTC().AppendFormat(append(b, `,"creationTimestamp":"`...), time.RFC3339)
		b = append(b, '"')
	}
	if declared.generateName != nil {
		b = appendMember(b, "generateName", declared.generateName)
	}
	if declared.owners != nil {
		b = appendMember(b, "ownerReferences", declared.owners)
	}
	if b, ok = appendTexts(b, "labels", declared.labels, c.origin(rec.Key)); !ok {
		return b, false
	}
	if b, ok = appendTexts(b, "annotations", declared.annotations, c.ownAnnotation(rec)); !ok {
		return b, false
	}
	if b, ok = c.appendLocal(b, rec); !ok {
		return b, false
	}
	return append(b, '}'), true
}

// ownAnnotation is the one of this side. A source that has its data type among
// the annotations that are kept may have to put it right: not here.
func (c codec) ownAnnotation(rec *store.Record) text {
	if c.role == resource.Agent {
		return text{manifestwork.DataTypeAnnotation, string(rec.Key.DataType)}
	}
	return c.sequence(rec)
}

// notCopied are the names of texts that this side may write itself.
var notCopied = []string{
	string(quoted(manifestwork.OriginalSourceLabel)), string(quoted(manifestwork.DataTypeAnnotation)), string(quoted(manifestwork.SequenceIDAnnotation)),
}

// appendTexts writes labels or annotations: those that are kept, and the own one.
func appendTexts(b []byte, field string, kept []byte, own text) ([]byte, bool) {
	var space [32]member
	var texts []member
	if kept != nil {
		var ok bool
		if texts, ok = split(space[:0], kept); !ok {
			return b, false
		}
	}
	for _, t := range texts {
		if t.value[0] != '"' || slices.Contains(t.name, '\\') || slices.Contains(notCopied, string(t.name)) {
			return b, false
		}
	}
	if own.name != "" {
		texts = append(texts, member{quoted(own.name), quoted(own.value)})
	}
	if len(texts) == 0 {
		return b, true
	}
	b = append(append(append(b, `,"`...), field...), `":{`...)
	for i, t := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, t.name...), ':'), t.value...)
	}
	return append(b, '}'), true
}

// appendLocal writes what this side keeps for itself.
func (c codec) appendLocal(b []byte, rec *store.Record) ([]byte, bool) {
	var space [4]member
	var local manifestwork.Local
	if len(rec.Local) > 0 {
		fields, ok := split(space[:0], rec.Local)
		if !ok {
			return b, false
		}
		for _, f := range fields {
			switch string(f.name) {
			case `"managedFields"`:
				local.ManagedFields = f.value
			case `"finalizers"`:
				ok = json.Unmarshal(f.value, &local.Finalizers) == nil
			default:
				ok = false
			}
			if !ok {
				return b, false
			}
		}
	}
	if finalizers := c.finalizers(rec, local); len(finalizers) > 0 {
		list, err := json.Marshal(finalizers)
		if err != nil {
			return b, false
		}
		b = appendMember(b, "finalizers", list)
	}
	if local.ManagedFields != nil {
		b = appendMember(b, "managedFields", local.ManagedFields)
	}
	return b, true
}

// quoted is a text as JSON.
func quoted(s string) []byte {
	plain := true
	for i := range len(s) {
		c := s[i]
		plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	}
	if plain {
		return append(append(append(make([]byte, 0, len(s)+2), '"'), s...), '"')
	}
	b, _ := json.Marshal(s) // texts always have one
	return b
}
