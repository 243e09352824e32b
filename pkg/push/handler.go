package push

import (
	"net/url"
	"reflect"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Handler is what one push handler is set to (docs/configuration.md,
// handlers). Two that are equal are the same handler.
type Handler struct {
	Name        string
	Queue       string
	URL         Target
	Concurrency int           // calls at a time, at least 1
	Timeout     time.Duration // of a call, from the connection to the last byte of the answer
	DataTypes   []resource.DataType
	HealthURL   Target            // zero = a connection is proof enough
	CloudEvents bool              // the item as a CloudEvent, not as plain JSON
	Headers     map[string]string // sent with every item; may be secret
}

func (h *Handler) equal(other *Handler) bool { return reflect.DeepEqual(h, other) }

// Target is where requests go to.
type Target struct {
	Socket string // a Unix socket; empty = the host of URL
	URL    string // http or https
}

// String is the target as it is configured, but for the query, which may hold
// a secret.
func (t Target) String() string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return ""
	}
	if t.Socket != "" {
		return "unix://" + t.Socket + ":" + u.EscapedPath()
	}
	u.RawQuery, u.User = "", nil
	return u.String()
}
