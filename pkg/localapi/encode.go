package localapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Resources are written by hand: every answer on the way from a change to an
// app passes here, and encoding/json would parse each spec and status again to
// find what is known of them, that they are JSON.

// appendResource appends the JSON of r, with the fields of resource.Resource.
func appendResource(to []byte, r *resource.Resource) []byte {
	if r == nil {
		return append(to, "null"...)
	}
	to = appendKeyFields(append(to, '{'), &r.Key)
	to = strconv.AppendInt(append(to, `,"version":`...), r.Version, 10)
	to = append(strconv.AppendUint(append(to, `,"revision":"`...), uint64(r.Revision), 10), '"')
	to = appendRaw(to, `,"spec":`, r.Spec)
	if len(r.SpecBase64) > 0 {
		to = base64.StdEncoding.AppendEncode(append(to, `,"specBase64":"`...), r.SpecBase64)
		to = append(to, '"')
	}
	to = appendOptional(to, `,"contentType":`, r.ContentType)
	to = appendRaw(to, `,"metadata":`, r.Metadata)
	to = appendTime(append(to, `,"deletionTimestamp":`...), r.DeletionTimestamp)
	to = appendRaw(to, `,"status":`, r.Status)
	to = strconv.AppendInt(append(to, `,"statusVersion":`...), r.StatusVersion, 10)
	to = appendOptional(to, `,"sequenceID":`, r.SequenceID)
	to = appendOptional(to, `,"statusHash":`, r.StatusHash)
	to = appendSync(append(to, `,"sync":`...), &r.Sync)
	return append(to, '}')
}

func appendSync(to []byte, s *resource.Sync) []byte {
	to = appendString(append(to, `{"state":`...), string(s.State))
	to = strconv.AppendInt(append(to, `,"publishedVersion":`...), s.PublishedVersion, 10)
	if s.PublishedAt != nil {
		to = appendTime(append(to, `,"publishedAt":`...), s.PublishedAt)
	}
	if s.ObservedAt != nil {
		to = appendTime(append(to, `,"observedAt":`...), s.ObservedAt)
	}
	return append(appendString(append(to, `,"error":`...), s.Error), '}')
}

func appendKeyFields(to []byte, k *resource.Key) []byte {
	to = appendString(append(to, `"dataType":`...), string(k.DataType))
	to = appendString(append(to, `,"source":`...), k.Source)
	to = appendString(append(to, `,"cluster":`...), k.Cluster)
	return appendString(append(to, `,"id":`...), k.ID)
}

// appendEvent appends one line of a watch.
func appendEvent(to []byte, e *resource.WatchEvent) []byte {
	to = appendString(append(to, `{"type":`...), e.Type)
	if e.Resource != nil {
		to = appendResource(append(to, `,"resource":`...), e.Resource)
	}
	if e.Revision != 0 {
		to = append(strconv.AppendUint(append(to, `,"revision":"`...), uint64(e.Revision), 10), '"')
	}
	return append(to, '}', '\n')
}

// appendLease appends one item of a lease.
func appendLease(to []byte, item *resource.LeaseItem) []byte {
	to = appendString(append(to, `{"lease":`...), item.Lease)
	to = append(appendKeyFields(append(to, `,"key":{`...), &item.Key), `},"reasons":[`...)
	for i, reason := range item.Reasons {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendString(to, reason)
	}
	to = strconv.AppendInt(append(to, `],"attempt":`...), int64(item.Attempt), 10)
	return append(appendResource(append(to, `,"object":`...), item.Object), '}')
}

// appendLeases appends the answer of a lease.
func appendLeases(to []byte, items []resource.LeaseItem) []byte {
	to = append(to, `{"items":[`...)
	for i := range items {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendLease(to, &items[i])
	}
	return append(to, ']', '}')
}

// appendRaw appends a member whose value is JSON already; nothing if there is
// none. A line of a watch must hold no line break: JSON has them only between
// its tokens.
func appendRaw(to []byte, member string, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return to
	}
	to = append(to, member...)
	if bytes.IndexByte(raw, '\n') >= 0 {
		raw = compact(bytes.Clone(raw))
	}
	return append(to, raw...)
}

func appendOptional(to []byte, member, text string) []byte {
	if text == "" {
		return to
	}
	return appendString(append(to, member...), text)
}

func appendTime(to []byte, t *time.Time) []byte {
	if t == nil {
		return append(to, "null"...)
	}
	return append(t.AppendFormat(append(to, '"'), time.RFC3339Nano), '"')
}

// appendString appends a JSON string.
func appendString(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // strings do not fail
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// buffers hold answers while they are written.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKeptBuffer is the size above which a buffer is left to the garbage
// collector: one large answer must not keep its memory.
const maxKeptBuffer = 64 << 10

// withBuffer calls use with an empty buffer; use returns it as it has grown.
func withBuffer(use func(buffer []byte) ([]byte, error)) error {
	kept := buffers.Get().(*[]byte)
	grown, err := use((*kept)[:0])
	if cap(grown) <= maxKeptBuffer {
		*kept = grown
		buffers.Put(kept)
	}
	return err
}

// writeTimeout bounds one write to a peer that does not read.
const writeTimeout = 30 * time.Second

// write answers with a whole body, in one Write with its length. An error
// means that the peer has gone.
func write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	extendWriting(w)
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// extendWriting gives the next writes their time.
func extendWriting(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// writeJSON answers with JSON. What cannot be written is nobody's error: the
// peer has gone, and the next call of the backend is not affected.
func writeJSON(w http.ResponseWriter, status int, body []byte) error {
	_ = write(w, status, resource.JSONContentType, body)
	return nil
}

// writeValue answers with a value that is not worth encoding by hand.
func writeValue(w http.ResponseWriter, value any) error {
	body, err := encodeValue(value)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, body)
}

func encodeValue(value any) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, resource.Errorf(resource.Internal, "encode the answer: %w", err)
	}
	return body, nil
}

// writeEmpty answers a call that has nothing to say.
func writeEmpty(w http.ResponseWriter) error { return writeJSON(w, http.StatusOK, []byte("{}")) }

// writeResource answers with one resource and its ETag; nil is {}, a resource
// that is gone.
func writeResource(w http.ResponseWriter, status int, r *resource.Resource) error {
	if r == nil {
		return writeEmpty(w)
	}
	w.Header().Set("ETag", etag(r.Revision))
	return withBuffer(func(buffer []byte) ([]byte, error) {
		buffer = appendResource(buffer, r)
		return buffer, writeJSON(w, status, buffer)
	})
}
