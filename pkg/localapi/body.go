package localapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

const (
	bodyTimeout      = 30 * time.Second // for a body to arrive
	controlBodyBytes = 64 << 10         // bodies that hold no resource; also the slack of those that do
	hardBodyBytes    = 256 << 20        // when limits.maxResourceBytes is 0: no MQTT packet is larger
	eagerBodyBytes   = 64 << 10         // allocated on the word of Content-Length
	refusedBodyBytes = 16 << 20         // read, and dropped, of a body that was refused
)

// The media types of request bodies. The form type is what `curl -d` sends
// unless told otherwise: a body that is JSON is taken under it too, so that
// curl is enough.
const (
	mergePatchType = "application/merge-patch+json"
	formType       = "application/x-www-form-urlencoded"
)

// limitReading bounds the time that the request's body may take. The deadline
// is the connection's, so readBody lifts it once the body is there.
func limitReading(w http.ResponseWriter, to time.Duration) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(to))
}

// maxResourceBytes is the limit of a spec with its metadata, and of a status.
func (s *Server) maxResourceBytes() int64 {
	if n := s.options.MaxResourceBytes(); n > 0 && n < hardBodyBytes {
		return n
	}
	return hardBodyBytes
}

// resourceBody reads a JSON body that may hold a spec and, since PUT takes what
// GET gave, a status beside it.
func (s *Server) resourceBody(w http.ResponseWriter, r *request) ([]byte, error) {
	if err := checkJSONType(r.Header); err != nil {
		return nil, err
	}
	return s.readBody(w, r, 2*s.maxResourceBytes()+controlBodyBytes)
}

// controlBody reads a JSON body that holds no resource; it may be empty.
func (s *Server) controlBody(w http.ResponseWriter, r *request) ([]byte, error) {
	if err := checkJSONType(r.Header); err != nil {
		return nil, err
	}
	return s.readBody(w, r, controlBodyBytes)
}

// readBody reads a whole body of at most limit bytes. A larger one is refused
// by its Content-Length, or as soon as it passes the limit. What it returns is
// either empty or JSON, and the caller's to change.
func (s *Server) readBody(w http.ResponseWriter, r *request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, s.bodyTooLarge(limit)
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	body, err := readAll(r.Body, r.ContentLength, limit)
	switch {
	case err != nil:
		return nil, readError(err)
	case int64(len(body)) > limit:
		return nil, s.bodyTooLarge(limit)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(body) > 0 {
		err = checkJSON(body, r.Header.Get("Content-Type") == formType)
	}
	return body, err
}

// refuse answers with an error, and then takes what is left of the body: many
// clients read the answer only when they have sent all, and see a broken
// connection instead if it is closed before. (net/http does so for small bodies
// only.) What is larger than refusedBodyBytes, or slower than bodyTimeout, is
// cut all the same.
func refuse(w http.ResponseWriter, r *http.Request, e *resource.Error) {
	writeProblem(w, e)
	if r.ContentLength == 0 || r.Header.Get("Expect") != "" { // who asks before sending, sends nothing now
		return
	}
	if http.NewResponseController(w).Flush() == nil {
		_, _ = io.CopyN(io.Discard, r.Body, refusedBodyBytes)
	}
}

// readAll reads up to one byte more than limit. A known size is allocated at
// once only while it is small: a promise of bytes must not cost memory.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	if size < 0 || size > eagerBodyBytes {
		return io.ReadAll(io.LimitReader(r, limit+1))
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}

func readError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return resource.Errorf(resource.Timeout, "the body did not arrive within %s; repeat the call", bodyTimeout)
	}
	return &resource.Error{Code: resource.InvalidArgument, Detail: "the body ended early or is not framed correctly", Cause: err}
}

func (s *Server) bodyTooLarge(limit int64) error {
	if limit <= controlBodyBytes {
		return resource.Errorf(resource.TooLarge, "the body is larger than %d bytes", limit)
	}
	return resource.Errorf(resource.TooLarge, "the body is larger than %d bytes; limits.maxResourceBytes is %d", limit, s.maxResourceBytes())
}

// checkSize holds the parts of a resource against limits.maxResourceBytes.
func (s *Server) checkSize(what string, parts ...[]byte) error {
	limit, size := s.maxResourceBytes(), int64(0)
	for _, part := range parts {
		size += int64(len(part))
	}
	if size <= limit {
		return nil
	}
	return resource.Errorf(resource.TooLarge, "%s has %d bytes, more than the %d of limits.maxResourceBytes", what, size, limit)
}

// checkJSONType takes application/json, no type at all, and curl's default.
func checkJSONType(header http.Header) error {
	given := header.Get("Content-Type")
	if given == "" || given == resource.JSONContentType || given == formType {
		return checkEncoding(header)
	}
	if media, _, err := mime.ParseMediaType(given); err != nil || media != resource.JSONContentType {
		return wrongType(given, resource.JSONContentType)
	}
	return checkEncoding(header)
}

// checkMergePatchType takes merge patches only: a patch in another format
// looks the same and means something else.
func checkMergePatchType(w http.ResponseWriter, header http.Header) error {
	given := header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(given); err != nil || media != mergePatchType {
		w.Header().Set("Accept-Patch", mergePatchType)
		return wrongType(given, mergePatchType)
	}
	return checkEncoding(header)
}

func checkEncoding(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return resource.Errorf(resource.UnsupportedMediaType, "content encoding %.40q is not supported: send the body as it is", encoding)
	}
	return nil
}

func wrongType(given, want string) error {
	return resource.Errorf(resource.UnsupportedMediaType, "content type %.100q is not %s", given, want)
}

// checkJSON holds a body against the JSON that is taken: UTF-8, nothing after
// the value, and nesting of at most maxDepth.
func checkJSON(body []byte, form bool) error {
	switch fault := jsonFault(body); {
	case fault == "":
		return nil
	case form:
		return resource.Errorf(resource.UnsupportedMediaType, "the body %s; content type %s is taken for JSON only", fault, formType)
	default:
		return resource.Errorf(resource.InvalidArgument, "the body %s", fault).WithField("")
	}
}

// syntaxFault says where JSON breaks; it is only called for JSON that does.
func syntaxFault(body []byte) string {
	var syntax *json.SyntaxError
	var any json.RawMessage
	if errors.As(json.Unmarshal(body, &any), &syntax) && syntax.Offset < math.MaxInt64 {
		return fmt.Sprintf("is not JSON: %s, at byte %d", syntax, syntax.Offset)
	}
	return "is not JSON"
}
