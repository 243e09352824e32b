package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Apply declares many resources at a source in one call, which streams: neither
// side ever holds all of them. prune, if it is not nil, names data type and
// cluster: what is there and not among the items is deleted.
//
// Items that fail do not make an error: the result counts them. An error among
// the items ends the call with that error and takes back nothing, but nothing is
// pruned then. They are drawn on another goroutine.
func (c *Client) Apply(ctx context.Context, prune *resource.Scope, items iter.Seq2[resource.PutRequest, error]) (*resource.ApplyResult, error) {
	return c.ApplyLines(ctx, prune, func(yield func(json.RawMessage, error) bool) {
		for item, err := range items {
			var line json.RawMessage
			if err == nil {
				line, err = encodeItem(item)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	})
}

// applyItem is one line of an apply.
type applyItem struct {
	DataType resource.DataType  `json:"dataType"`
	Source   string             `json:"source,omitempty"`
	Cluster  string             `json:"cluster"`
	ID       string             `json:"id"`
	IfMatch  *resource.Revision `json:"ifMatch,omitempty"`
	putBody
}

func encodeItem(req resource.PutRequest) (json.RawMessage, error) {
	key := req.Key
	line, err := json.Marshal(applyItem{key.DataType, key.Source, key.Cluster, key.ID, req.IfMatch, newPutBody(req)})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", key, err)
	}
	return line, nil
}

// ApplyLines is Apply for items that are JSON already, each on one line: as PUT
// takes them, and with their identity.
func (c *Client) ApplyLines(ctx context.Context, prune *resource.Scope, lines iter.Seq2[json.RawMessage, error]) (*resource.ApplyResult, error) {
	query := url.Values{}
	if prune != nil {
		query = url.Values{"prune": {"true"}, "dataType": {string(prune.DataType)}, "cluster": {prune.Cluster}}
	}
	body, pipe := io.Pipe()
	broken := make(chan error, 1)
	go func() { broken <- writeLines(pipe, lines) }()
	result, err := c.postLines(ctx, query, body)
	_ = body.Close() // ends the writer, if the body was not read to its end
	if itemErr := <-broken; itemErr != nil {
		return nil, itemErr
	}
	return result, err
}

// writeLines writes the items and the end mark, which shows that they are
// whole. It returns an error among the items; the pipe then breaks, so that the
// sidecar sees a body that was cut off.
func writeLines(pipe *io.PipeWriter, lines iter.Seq2[json.RawMessage, error]) (broken error) {
	w := bufio.NewWriterSize(pipe, 64<<10)
	items := 0
	for line, err := range lines {
		if err != nil {
			_ = pipe.CloseWithError(err)
			return err
		}
		items++
		if writeLine(w, line) != nil {
			return nil // nobody reads: the call says why
		}
	}
	_ = writeLine(w, fmt.Appendf(nil, `{"end":true,"items":%d}`, items))
	_ = w.Flush()
	_ = pipe.Close()
	return nil
}

func writeLine(w *bufio.Writer, line []byte) error {
	if _, err := w.Write(line); err != nil {
		return err
	}
	return w.WriteByte('\n')
}

// postLines posts a body of lines. 422 is a result, too.
func (c *Client) postLines(ctx context.Context, query url.Values, body io.Reader) (*resource.ApplyResult, error) {
	target := c.base + "/v1/resources/apply?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer finish(response)
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnprocessableEntity {
		return nil, c.problem(response)
	}
	result := new(resource.ApplyResult)
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return nil, c.unreachable(ctx, fmt.Errorf("read the answer: %w", err))
	}
	return result, nil
}
