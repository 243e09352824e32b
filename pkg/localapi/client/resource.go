package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Get is one resource; at an agent key.Source may be needed to tell two apart.
func (c *Client) Get(ctx context.Context, key resource.Key) (*resource.Resource, error) {
	res := new(resource.Resource)
	_, err := c.do(ctx, call{method: http.MethodGet, path: resourcePath(key), query: writeQuery(key, nil)}, res)
	return orNil(res, err)
}

// List is one page of resources.
func (c *Client) List(ctx context.Context, req resource.ListRequest) (*resource.List, error) {
	query := url.Values{}
	set(query, "dataType", string(req.DataType))
	set(query, "cluster", req.Cluster)
	set(query, "source", req.Source)
	set(query, "state", string(req.State))
	setNumber(query, "limit", int64(req.Limit))
	set(query, "continue", req.Continue)
	list := new(resource.List)
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/resources", query: query}, list)
	return orNil(list, err)
}

// All is every resource of a list, in pages of req.Limit. An error ends it; a
// cursor that lapsed between two pages is resource.Expired.
func (c *Client) All(ctx context.Context, req resource.ListRequest) iter.Seq2[*resource.Resource, error] {
	return func(yield func(*resource.Resource, error) bool) {
		for {
			list, err := c.List(ctx, req)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, res := range list.Items {
				if !yield(res, nil) {
					return
				}
			}
			if req.Continue = list.Continue; req.Continue == "" {
				return
			}
		}
	}
}

// putBody is the body of a PUT; a spec that is not JSON travels as base64.
type putBody struct {
	Spec        json.RawMessage `json:"spec,omitempty"`
	SpecBase64  []byte          `json:"specBase64,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Version     int64           `json:"version,omitempty"`
}

func newPutBody(req resource.PutRequest) putBody {
	body := putBody{Metadata: req.Metadata, Version: req.Version}
	if req.Spec.ContentType == "" || req.Spec.ContentType == resource.JSONContentType {
		body.Spec = req.Spec.Data
	} else {
		body.SpecBase64, body.ContentType = req.Spec.Data, req.Spec.ContentType
	}
	return body
}

// Put declares a resource at a source; created tells whether it is new. A spec
// without a content type is JSON.
func (c *Client) Put(ctx context.Context, req resource.PutRequest, options ...Option) (res *resource.Resource, created bool, err error) {
	res = new(resource.Resource)
	status, err := c.do(ctx, call{
		method: http.MethodPut, path: resourcePath(req.Key), query: writeQuery(req.Key, options),
		body: newPutBody(req), ifMatch: req.IfMatch, ifNoneMatch: req.IfNoneMatch,
	}, res)
	res, err = orNil(res, err)
	return res, status == http.StatusCreated, err
}

// SetStatus reports a status at an agent.
func (c *Client) SetStatus(ctx context.Context, req resource.StatusRequest, options ...Option) (*resource.Resource, error) {
	query := writeQuery(req.Key, options)
	setNumber(query, "version", req.Version)
	res := new(resource.Resource)
	_, err := c.do(ctx, call{
		method: http.MethodPut, path: resourcePath(req.Key, "status"), query: query,
		body: []byte(req.Status), ifMatch: req.IfMatch,
	}, res)
	return orNil(res, err)
}

// Patch applies a merge patch to a resource or, with OfStatus, to its status.
func (c *Client) Patch(ctx context.Context, req resource.PatchRequest, options ...Option) (*resource.Resource, error) {
	path, query := resourcePath(req.Key), writeQuery(req.Key, options)
	if req.OfStatus {
		path = resourcePath(req.Key, "status")
		setNumber(query, "version", req.Version)
	}
	res := new(resource.Resource)
	_, err := c.do(ctx, call{
		method: http.MethodPatch, path: path, query: query,
		body: []byte(req.Patch), contentType: "application/merge-patch+json", ifMatch: req.IfMatch,
	}, res)
	return orNil(res, err)
}

// Delete asks for deletion at a source, or confirms it at an agent. It returns
// done when nothing is left to wait for; otherwise the resource as it is now.
func (c *Client) Delete(ctx context.Context, req resource.DeleteRequest, options ...Option) (res *resource.Resource, done bool, err error) {
	query := writeQuery(req.Key, options)
	if req.Force {
		query.Set("force", "true")
	}
	res = new(resource.Resource)
	status, err := c.do(ctx, call{method: http.MethodDelete, path: resourcePath(req.Key), query: query, ifMatch: req.IfMatch}, res)
	if err != nil || res.ID == "" {
		return nil, err == nil && status == http.StatusOK, err
	}
	return res, status == http.StatusOK, nil
}

// DeleteCluster forgets every resource of a cluster that is no more, and
// returns how many there were.
func (c *Client) DeleteCluster(ctx context.Context, cluster string) (deleted int, err error) {
	var answer struct{ Deleted int }
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/v1/resources", query: url.Values{"cluster": {cluster}, "force": {"true"}}}, &answer)
	return answer.Deleted, err
}

// orNil is the value unless there is an error.
func orNil[T any](value *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}
