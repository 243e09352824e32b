package localapi

import (
	"math"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// applyLine is one line of an apply, read field by field: a resource as PUT
// takes it with its identity, or the end mark {"end":true,"items":N}.
type applyLine struct {
	putBody
	end      bool
	items    int64
	ofItem   int // fields seen that an item has
	ofMarker int // fields seen that the end mark has
}

// decodeLine reads one line. What is known of the key is returned with an error
// too.
func decodeLine(line []byte) (*applyLine, error) {
	l := &applyLine{items: -1}
	if fault := jsonFault(line); fault != "" {
		return l, resource.Errorf(resource.InvalidArgument, "the line %s", fault).WithField("")
	}
	if line[0] != '{' {
		return l, resource.Errorf(resource.InvalidArgument, "the line must be a JSON object").WithField("")
	}
	if err := decodeObject(line, "", l.take); err != nil {
		return l, err
	}
	if l.ofMarker > 0 {
		return l, l.checkMarker()
	}
	return l, l.finish()
}

func (l *applyLine) take(f field) error {
	switch f.name {
	case "end":
		l.ofMarker++
		return f.flag(&l.end)
	case "items":
		l.ofMarker++
		return f.integer(&l.items, 0, math.MaxInt64)
	}
	l.ofItem++
	key := &l.request.Key
	switch f.name {
	case "dataType":
		return f.dataType(&key.DataType)
	case "cluster":
		return f.label(&key.Cluster)
	case "source":
		return f.label(&key.Source)
	case "id":
		return f.id(&key.ID)
	case "ifMatch":
		return f.revision(&l.request.IfMatch)
	}
	return l.putBody.take(f)
}

// checkMarker holds an end mark against its form.
func (l *applyLine) checkMarker() error {
	if l.ofItem > 0 || !l.end || l.items < 0 {
		return resource.Errorf(resource.InvalidArgument, `the fields end and items make the last line, {"end":true,"items":N}, and no other`).WithField("")
	}
	return nil
}

// finish checks what an item needs, and settles its spec.
func (l *applyLine) finish() (err error) {
	key := l.request.Key
	for _, part := range []struct{ name, value string }{{"dataType", string(key.DataType)}, {"cluster", key.Cluster}, {"id", key.ID}} {
		if part.value == "" {
			return resource.Errorf(resource.InvalidArgument, "%s is missing", part.name).WithField("/" + part.name)
		}
	}
	l.request.Spec, err = l.payload()
	return err
}

// id reads a resource id.
func (f field) id(to *string) error {
	var id string
	if err := f.text(&id); err != nil || f.isNull() {
		return err
	}
	if err := f.about(resource.ValidateID(id)); err != nil {
		return err
	}
	*to = id
	return nil
}

// revision reads a revision, in a string as answers have it.
func (f field) revision(to **resource.Revision) error {
	var text string
	if err := f.text(&text); err != nil || f.isNull() {
		return err
	}
	revision, err := parseTag(text)
	if err != nil {
		return f.fault(`must be one revision, such as "184"`)
	}
	*to = &revision
	return nil
}
