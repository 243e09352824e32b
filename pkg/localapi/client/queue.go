package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/pillion-dev/pillion/pkg/resource"
)

type leaseBody struct {
	Max       int                 `json:"max,omitempty"`
	Wait      string              `json:"wait,omitempty"`
	LeaseFor  string              `json:"leaseFor,omitempty"`
	DataTypes []resource.DataType `json:"dataTypes,omitempty"`
}

// items is the answer of the calls that list anything but resources.
type items[T any] struct {
	Items []T `json:"items"`
}

// Lease takes work from a queue. It answers with nothing when the wait is over;
// a Max, Wait or LeaseFor of 0 is the sidecar's default.
func (c *Client) Lease(ctx context.Context, req resource.LeaseRequest) ([]resource.LeaseItem, error) {
	body := leaseBody{Max: req.Max, DataTypes: req.DataTypes}
	if req.Wait != 0 {
		body.Wait = req.Wait.String()
	}
	if req.LeaseFor != 0 {
		body.LeaseFor = req.LeaseFor.String()
	}
	var answer items[resource.LeaseItem]
	_, err := c.do(ctx, call{method: http.MethodPost, path: queuePath(req.Queue, "lease"), body: body}, &answer)
	return answer.Items, err
}

func queuePath(queue string, more ...string) string {
	return pathOf(append([]string{"v1", "queues", queue}, more...)...)
}

type resultBody struct {
	Result       string          `json:"result,omitempty"`
	RequeueAfter string          `json:"requeueAfter,omitempty"`
	LeaseFor     string          `json:"leaseFor,omitempty"`
	Error        string          `json:"error,omitempty"`
	Retry        *bool           `json:"retry,omitempty"`
	Status       json.RawMessage `json:"status,omitempty"`
	Deleted      bool            `json:"deleted,omitempty"`
}

// Answer gives the result for a lease; resource.NotFound means that it is
// unknown, lapsed or answered, and that nothing was changed.
func (c *Client) Answer(ctx context.Context, lease string, result resource.WorkResult) error {
	body := resultBody{Result: result.Result, Error: result.Error, Status: result.Status, Deleted: result.Deleted}
	if result.RequeueAfter != 0 {
		body.RequeueAfter = result.RequeueAfter.String()
	}
	if result.LeaseFor != 0 {
		body.LeaseFor = result.LeaseFor.String()
	}
	if result.NoRetry {
		body.Retry = new(bool)
	}
	_, err := c.do(ctx, call{method: http.MethodPost, path: pathOf("v1", "leases", lease), body: body}, nil)
	return err
}

type requeueBody struct {
	Key *keyBody `json:"key,omitempty"`
	All bool     `json:"all,omitempty"`
}

// keyBody is a key whose source may be missing.
type keyBody struct {
	DataType resource.DataType `json:"dataType"`
	Source   string            `json:"source,omitempty"`
	Cluster  string            `json:"cluster"`
	ID       string            `json:"id"`
}

func newRequeueBody(req resource.RequeueRequest) requeueBody {
	body := requeueBody{All: req.All}
	if req.Key != nil {
		body.Key = &keyBody{DataType: req.Key.DataType, Source: req.Key.Source, Cluster: req.Key.Cluster, ID: req.Key.ID}
	}
	return body
}

// Requeue puts a key, or all, into a queue again and returns how many.
func (c *Client) Requeue(ctx context.Context, req resource.RequeueRequest) (requeued int, err error) {
	var answer struct{ Requeued int }
	_, err = c.do(ctx, call{method: http.MethodPost, path: queuePath(req.Queue, "requeue"), body: newRequeueBody(req)}, &answer)
	return answer.Requeued, err
}

// Queues is the state of every queue.
func (c *Client) Queues(ctx context.Context) ([]resource.QueueStats, error) {
	var answer items[resource.QueueStats]
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/queues"}, &answer)
	return answer.Items, err
}

// Queue is the state of one queue.
func (c *Client) Queue(ctx context.Context, name string) (stats resource.QueueStats, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: queuePath(name)}, &stats)
	return stats, err
}

// Dead is the keys of a queue that were given up.
func (c *Client) Dead(ctx context.Context, queue string) ([]resource.DeadItem, error) {
	var answer items[resource.DeadItem]
	_, err := c.do(ctx, call{method: http.MethodGet, path: queuePath(queue, "dead")}, &answer)
	return answer.Items, err
}

// DropDead takes one dead key, or all, for done and returns how many.
func (c *Client) DropDead(ctx context.Context, req resource.RequeueRequest) (dropped int, err error) {
	var answer struct{ Dropped int }
	_, err = c.do(ctx, call{method: http.MethodPost, path: queuePath(req.Queue, "dead", "drop"), body: newRequeueBody(req)}, &answer)
	return answer.Dropped, err
}

// RetryDead puts one dead key, or all, back to work and returns how many.
func (c *Client) RetryDead(ctx context.Context, req resource.RequeueRequest) (retried int, err error) {
	var answer struct{ Retried int }
	_, err = c.do(ctx, call{method: http.MethodPost, path: queuePath(req.Queue, "dead", "retry"), body: newRequeueBody(req)}, &answer)
	return answer.Retried, err
}
