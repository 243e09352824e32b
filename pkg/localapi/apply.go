package localapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The bounds of a batch, which is committed at once: so many items, or the item
// that passes so many bytes, are its last.
const (
	batchItems = 512
	batchBytes = 1 << 20
)

// applyTypes are the media types of a body of lines, the form type being what
// `curl --data-binary` sends unless told otherwise.
var applyTypes = []string{"application/x-ndjson", "application/ndjson", "application/jsonl", resource.JSONContentType, formType}

// apply puts many resources, one on each line, and answers after the last.
func (s *Server) apply(w http.ResponseWriter, r *request) error {
	if err := checkApplyType(r.Header); err != nil {
		return err
	}
	scope, err := r.pruneScope()
	if err != nil {
		return err
	}
	reader := &applyReader{lines: newLineReader(r.Body, 2*s.maxResourceBytes()+controlBodyBytes), server: s, scope: scope}
	result, err := s.backend.Apply(r.Context(), resource.ApplyRequest{Prune: scope}, reader.batches)
	if err != nil {
		return err
	}
	if scope != nil && result.Failed > 0 && result.NotPruned == "" {
		result.NotPruned = "nothing was pruned: that wants every line to be good and the last to be the end mark"
	}
	return writeApplied(w, result)
}

func checkApplyType(header http.Header) error {
	given := header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if given != "" && (err != nil || !slices.Contains(applyTypes, media)) {
		return wrongType(given, streamType)
	}
	return checkEncoding(header)
}

// pruneScope is what ?prune= deletes from; nil without it.
func (r *request) pruneScope() (*resource.Scope, error) {
	prune, err := r.flag("prune")
	if err != nil {
		return nil, err
	}
	dataType, cluster, _, err := r.filters()
	switch {
	case err != nil:
		return nil, err
	case !prune && (dataType != "" || cluster != ""):
		return nil, resource.Errorf(resource.InvalidArgument, "query parameters dataType and cluster go with prune=true")
	case !prune:
		return nil, nil
	case dataType == "" || cluster == "":
		return nil, resource.Errorf(resource.InvalidArgument, "prune=true needs both dataType and cluster: it deletes what is there and not in the body")
	}
	return &resource.Scope{DataType: dataType, Cluster: cluster}, nil
}

// applied is the answer where something failed: the result, as a problem.
type applied struct {
	Type   string        `json:"type"`
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Code   resource.Code `json:"code"`
	Detail string        `json:"detail"`
	*resource.ApplyResult
}

// writeApplied answers 200, or 422 if anything failed.
func writeApplied(w http.ResponseWriter, result *resource.ApplyResult) error {
	if result.Errors == nil {
		result.Errors = []resource.ApplyError{}
	}
	if result.Failed == 0 {
		return writeValue(w, result)
	}
	p := newProblem(resource.Errorf(resource.InvalidItem, "not all was applied (failed: %d): correct what errors lists and send it again", result.Failed))
	body, err := encodeValue(applied{p.Type, p.Title, p.Status, p.Code, p.Detail, result})
	if err != nil {
		return err
	}
	_ = write(w, p.Status, problemType, body)
	return nil
}

// applyReader makes items of the lines of a body.
type applyReader struct {
	lines  *lineReader
	server *Server
	scope  *resource.Scope // of a prune; nil = none
	items  int64           // lines that were items, good or not
	ended  bool            // the end mark has come
}

// batches yields all items of the body. The last one of a prune without an end
// mark is an error that says so.
func (a *applyReader) batches(yield func([]resource.ApplyItem, error) bool) {
	for more := true; more; {
		var batch []resource.ApplyItem
		var err error
		batch, more, err = a.batch()
		if err != nil {
			yield(nil, err)
			return
		}
		if !more && a.scope != nil && !a.ended {
			batch = append(batch, resource.ApplyItem{Line: a.lines.count, Err: noEndMark(a.items)})
		}
		if len(batch) > 0 && !yield(batch, nil) {
			return
		}
	}
}

func noEndMark(items int64) error {
	return resource.Errorf(resource.InvalidItem, `the last line of a body with prune=true must be {"end":true,"items":%d}, to show that it is whole`, items)
}

// batch reads the next items; more is false when there are no further ones.
func (a *applyReader) batch() (batch []resource.ApplyItem, more bool, err error) {
	for size := 0; len(batch) < batchItems && size < batchBytes; {
		line, tooLong, err := a.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return batch, false, nil
		case err != nil:
			return nil, false, applyReadError(err)
		case len(line) == 0 && !tooLong:
			continue
		}
		size += len(line)
		if item, ok := a.item(line, tooLong); ok {
			batch = append(batch, item)
		}
	}
	return batch, true, nil
}

func applyReadError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return resource.Errorf(resource.Timeout, "the body stood still for %s: a part of its lines may have been applied; send all again", bodyTimeout)
	}
	return readError(err)
}

// item makes an item of a line; the end mark is none unless it is wrong.
func (a *applyReader) item(line []byte, tooLong bool) (item resource.ApplyItem, ok bool) {
	item.Line = a.lines.count
	if tooLong {
		a.items++
		item.Err = a.server.lineTooLarge(a.lines.limit)
		return item, true
	}
	read, err := decodeLine(line)
	if err == nil && read.end && !a.ended {
		a.ended = true
		item.Err = a.checkEnd(read.items)
		return item, item.Err != nil
	}
	a.items++
	item.Put = read.request
	item.Err = a.check(&item.Put, err)
	return item, true
}

func (s *Server) lineTooLarge(limit int64) error {
	return resource.Errorf(resource.TooLarge, "the line is larger than %d bytes; limits.maxResourceBytes is %d", limit, s.maxResourceBytes())
}

// check is what is wrong with an item, given what its decoding said.
func (a *applyReader) check(put *resource.PutRequest, err error) error {
	switch {
	case a.ended:
		return resource.Errorf(resource.InvalidItem, "the line comes after the end mark, which must be the last")
	case err != nil:
		return err
	case a.scope != nil && !a.scope.Covers(put.Key.DataType, put.Key.Cluster):
		return resource.Errorf(resource.InvalidItem, "the item is not of %s on cluster %s, which this call prunes", a.scope.DataType, a.scope.Cluster)
	}
	return a.server.checkSize("the spec with its metadata", put.Spec.Data, put.Metadata)
}

func (a *applyReader) checkEnd(items int64) error {
	if items == a.items {
		return nil
	}
	return resource.Errorf(resource.InvalidItem, "the end mark counts %d items and %d came: send all of them again", items, a.items)
}
