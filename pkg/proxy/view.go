package proxy

import (
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
)

// view is a record as the local API shows it.
func (p *Proxy) view(rec *store.Record) *resource.Resource {
	m := rec.Meta
	res := &resource.Resource{
		Key: m.Key, Version: m.Version, Revision: m.Revision,
		Metadata: rec.Metadata, DeletionTimestamp: timeOrNil(m.Deleting),
		Status: rec.Status, StatusVersion: m.StatusVersion, StatusHash: m.StatusHash,
		Sync: p.syncOf(m),
	}
	if m.SequenceID != 0 && m.HasStatus {
		res.SequenceID = strconv.FormatInt(m.SequenceID, 10)
	}
	switch {
	case m.ContentType == "":
	case isJSON(m.ContentType):
		res.Spec = rec.Spec
	default:
		res.SpecBase64, res.ContentType = rec.Spec, m.ContentType
	}
	return res
}

func (p *Proxy) syncOf(m *store.Meta) resource.Sync {
	return resource.Sync{
		State:            p.side.state(m),
		PublishedVersion: m.Out.PublishedVersion,
		PublishedAt:      timeOrNil(m.Out.PublishedAt),
		ObservedAt:       timeOrNil(m.Out.ObservedAt),
		Error:            m.Out.Error,
	}
}

// lastView is what is shown of a resource after it has gone.
func lastView(e store.LogEntry) *resource.Resource {
	res := &resource.Resource{Key: e.Key, Revision: e.Revision, Sync: resource.Sync{State: resource.Deleting}}
	if e.Last != nil {
		res.Version = e.Last.Version
		res.DeletionTimestamp = timeOrNil(e.Last.Deleting)
		res.Metadata = e.Last.Metadata
	}
	return res
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// isJSON tells whether a payload of that media type is shown as JSON.
func isJSON(contentType string) bool {
	if contentType == resource.JSONContentType {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == resource.JSONContentType || strings.HasSuffix(media, "+json"))
}
