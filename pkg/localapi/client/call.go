package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// maxProblemBytes bounds the body of an error, which may hold a resource.
const maxProblemBytes = 256 << 20

// call is one request.
type call struct {
	method      string
	path        string // escaped
	query       url.Values
	body        any // nil = none; []byte = as it is; else encoded as JSON
	contentType string
	ifMatch     *resource.Revision
	ifNoneMatch bool
}

// pathOf joins segments to a path, each percent-encoded as a whole.
func pathOf(segments ...string) string {
	var b strings.Builder
	for _, segment := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	return b.String()
}

func resourcePath(key resource.Key, more ...string) string {
	return pathOf(append([]string{"v1", "resources", string(key.DataType), key.Cluster, key.ID}, more...)...)
}

// send is the answer of a call, whose body the caller must close; an answer
// that is an error is returned as such.
func (c *Client) send(ctx context.Context, call call) (*http.Response, error) {
	request, err := call.request(ctx, c.base)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer finish(response)
	return nil, c.problem(response)
}

func (call call) request(ctx context.Context, base string) (*http.Request, error) {
	body, err := call.encode()
	if err != nil {
		return nil, err
	}
	target := base + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, call.method, target, reader)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	call.setHeaders(request.Header, body != nil)
	return request, nil
}

func (call call) encode() ([]byte, error) {
	switch body := call.body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return body, nil
	}
	body, err := json.Marshal(call.body)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return body, nil
}

func (call call) setHeaders(header http.Header, hasBody bool) {
	switch {
	case call.contentType != "":
		header.Set("Content-Type", call.contentType)
	case hasBody:
		header.Set("Content-Type", resource.JSONContentType)
	}
	if call.ifMatch != nil {
		header.Set("If-Match", strconv.Quote(call.ifMatch.String()))
	}
	if call.ifNoneMatch {
		header.Set("If-None-Match", "*")
	}
}

// do makes the call and decodes its answer into out, unless that is nil. It
// returns the HTTP status.
func (c *Client) do(ctx context.Context, call call, out any) (int, error) {
	response, err := c.send(ctx, call)
	if err != nil {
		return 0, err
	}
	defer finish(response)
	if out == nil {
		return response.StatusCode, nil
	}
	body, err := readAnswer(response)
	if err != nil {
		return 0, c.unreachable(ctx, fmt.Errorf("read the answer: %w", err))
	}
	if err := json.Unmarshal(body, out); err != nil {
		return 0, fmt.Errorf("decode the answer of the sidecar at %s: %w", c.where, err)
	}
	return response.StatusCode, nil
}

// readAnswer reads a whole body, which is allocated at once if its size is
// known and usual.
func readAnswer(response *http.Response) ([]byte, error) {
	size := response.ContentLength
	if size < 0 || size > 64<<10 {
		return io.ReadAll(response.Body)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(response.Body, body)
	return body, err
}

// finish reads what is left, so that the connection can be used again.
func finish(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	_ = response.Body.Close()
}

// unreachable is the error of a call that got no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call the sidecar at %s: %w", c.where, context.Cause(ctx))
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.As(err, new(*setupError)) {
		return err
	}
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return fmt.Errorf("the certificate of %s is not trusted: give the CA that has signed it (--ca-file; by default ca.crt in state.dir): %w", c.where, err)
	}
	return resource.Errorf(resource.Unavailable, "no answer: is the sidecar running? %s: %w", c.where, err)
}

// problem is the error that an answer holds.
func (c *Client) problem(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil {
		return c.unreachable(response.Request.Context(), err)
	}
	if e := decodeProblem(body); e != nil {
		e.RetryAfter = retryAfter(response.Header)
		return e
	}
	return resource.Errorf(resource.Internal, "the server at %s answered %s, not as a sidecar does: is it one?", c.where, response.Status)
}

// decodeProblem reads a problem (RFC 9457); nil if it is none.
func decodeProblem(body []byte) *resource.Error {
	var p struct {
		Code     resource.Code         `json:"code"`
		Detail   string                `json:"detail"`
		Errors   []resource.FieldError `json:"errors"`
		Resource *resource.Resource    `json:"resource"`
	}
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return nil
	}
	return &resource.Error{Code: p.Code, Detail: p.Detail, Fields: p.Errors, Resource: p.Resource}
}

func retryAfter(header http.Header) time.Duration {
	seconds, _ := strconv.Atoi(header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second
}
