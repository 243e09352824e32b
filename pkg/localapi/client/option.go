package client

import (
	"net/url"
	"strconv"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Option changes how a write is answered.
type Option func(query url.Values)

// WaitFor lets a write answer when the resource has reached the state; for a
// delete, resource.WaitObserved is reached when it is gone. Not reached in
// time, the write stays, and the error is resource.DeadlineExceeded with the
// resource. A timeout of 0 leaves it to the sidecar.
func WaitFor(state resource.WaitFor, timeout time.Duration) Option {
	return func(query url.Values) {
		query.Set("wait", string(state))
		if timeout > 0 {
			query.Set("timeout", timeout.String())
		}
	}
}

// writeQuery is the query of a write of the resource.
func writeQuery(key resource.Key, options []Option) url.Values {
	query := url.Values{}
	set(query, "source", key.Source)
	for _, option := range options {
		option(query)
	}
	return query
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func setNumber(query url.Values, name string, value int64) {
	if value != 0 {
		query.Set(name, strconv.FormatInt(value, 10))
	}
}
