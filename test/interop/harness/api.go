package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Key names a resource in the local API. Source is needed only at an agent
// that has the id from several.
type Key struct{ DataType, Source, Cluster, ID string }

// path is /v1/resources/{dataType}/{cluster}/{id} and what follows, with the
// source, if it is given, as a parameter. The id is one segment.
func (k Key) path(rest string) string {
	path := "/v1/resources/" + k.DataType + "/" + k.Cluster + "/" + url.PathEscape(k.ID) + rest
	if k.Source == "" {
		return path
	}
	return path + "?source=" + k.Source
}

// Resource is what the stories read of the resource in docs/api.md.
type Resource struct {
	DataType          string          `json:"dataType"`
	Source            string          `json:"source"`
	Cluster           string          `json:"cluster"`
	ID                string          `json:"id"`
	Version           int64           `json:"version"`
	Spec              json.RawMessage `json:"spec"`
	Metadata          json.RawMessage `json:"metadata"`
	DeletionTimestamp *time.Time      `json:"deletionTimestamp"`
	Status            json.RawMessage `json:"status"`
	StatusVersion     int64           `json:"statusVersion"`
	SequenceID        string          `json:"sequenceID"`
	StatusHash        string          `json:"statusHash"`
	Sync              struct {
		State            string     `json:"state"`
		PublishedVersion int64      `json:"publishedVersion"`
		PublishedAt      *time.Time `json:"publishedAt"`
		Error            string     `json:"error"`
	} `json:"sync"`
}

// LeaseItem is one piece of work from a queue.
type LeaseItem struct {
	Lease  string    `json:"lease"`
	Object *Resource `json:"object"`
}

// API speaks to a sidecar over its Unix socket.
type API struct{ http *http.Client }

func newAPI(socket string) *API {
	return &API{http: &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return dialSocket(socket)
		}},
	}}
}

// dialTimeout bounds a dial of the local API.
const dialTimeout = 5 * time.Second

func dialSocket(path string) (net.Conn, error) {
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("dial the local API: %w", err)
	}
	return conn, nil
}

// APIError is an answer that is not 2xx.
type APIError struct {
	Call   string
	Status int
	Body   string
}

func (e *APIError) Error() string { return fmt.Sprintf("%s: %d %s", e.Call, e.Status, e.Body) }

// Ready is nil once GET /readyz answers 200.
func (a *API) Ready() error { return a.call(http.MethodGet, "/readyz?verbose", nil, nil) }

// Report is the sidecar's own account of itself, for failures.
func (a *API) Report() string {
	var status json.RawMessage
	if err := a.call(http.MethodGet, "/v1/status", nil, &status); err != nil {
		return err.Error()
	}
	var list struct{ Items []Resource }
	if err := a.call(http.MethodGet, "/v1/resources?limit=500", nil, &list); err != nil {
		return err.Error()
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s\n", bytes.TrimSpace(status))
	for _, res := range list.Items {
		fmt.Fprintf(&lines, "%s version=%d statusVersion=%d sequenceID=%s deleting=%t sync=%+v\n",
			res.ID, res.Version, res.StatusVersion, res.SequenceID, res.DeletionTimestamp != nil, res.Sync)
	}
	return lines.String()
}

// Get reads one resource; found is false for a 404.
func (a *API) Get(key Key) (res *Resource, found bool, err error) {
	res = &Resource{}
	err = a.call(http.MethodGet, key.path(""), nil, res)
	if failed, ok := err.(*APIError); ok && failed.Status == http.StatusNotFound {
		return nil, false, nil
	}
	return res, err == nil, err
}

// Put declares a resource at a source; metadata may be nil.
func (a *API) Put(key Key, spec, metadata json.RawMessage) (*Resource, error) {
	body := map[string]json.RawMessage{"spec": spec}
	if metadata != nil {
		body["metadata"] = metadata
	}
	res := &Resource{}
	return res, a.call(http.MethodPut, key.path(""), body, res)
}

// PutStatus reports a status at an agent.
func (a *API) PutStatus(key Key, status json.RawMessage) error {
	return a.call(http.MethodPut, key.path("/status"), status, nil)
}

// Delete asks for deletion at a source, or confirms it at an agent.
func (a *API) Delete(key Key) error { return a.call(http.MethodDelete, key.path(""), nil, nil) }

// Forget deletes at a source, which has no use for Key.Source, without waiting
// for anybody.
func (a *API) Forget(key Key) error {
	return a.call(http.MethodDelete, key.path("?force=true"), nil, nil)
}

// Resync asks the other side again; at a source the peer is a cluster, at an
// agent a source.
func (a *API) Resync(side, peer string) error {
	return a.call(http.MethodPost, "/v1/resync", map[string]string{side: peer}, nil)
}

// Synced declares that the source has declared everything.
func (a *API) Synced() error {
	return a.call(http.MethodPost, "/v1/synced", map[string]string{}, nil)
}

// Lease takes one piece of work, waiting for up to ten seconds; nil if none
// came.
func (a *API) Lease() (*LeaseItem, error) {
	var answer struct{ Items []LeaseItem }
	err := a.call(http.MethodPost, "/v1/queues/resources/lease", map[string]any{"max": 1, "wait": "10s"}, &answer)
	if err != nil || len(answer.Items) == 0 {
		return nil, err
	}
	return &answer.Items[0], nil
}

// Answer ends a lease with a result, as docs/api.md, The result, has it.
func (a *API) Answer(lease string, result any) error {
	return a.call(http.MethodPost, "/v1/leases/"+lease, result, nil)
}

// call does one request with a JSON body (nil for none) and reads the answer
// into out (nil to ignore it).
func (a *API) call(method, path string, body, out any) error {
	req, err := http.NewRequest(method, "http://sidecar"+path, jsonBody(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return &APIError{Call: method + " " + path, Status: resp.StatusCode, Body: string(answer)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w in %s", method, path, err, answer)
	}
	return nil
}

func jsonBody(body any) io.Reader {
	if body == nil {
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // the stories' own values always marshal
	}
	return bytes.NewReader(data)
}
