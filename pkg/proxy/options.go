package proxy

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/reconnect"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/store"
	"github.com/pillion-dev/pillion/pkg/transport"
)

// Options is what a proxy is made of and cannot change while it runs, and the
// settings that it starts with.
type Options struct {
	Role    resource.Role
	ID      string // of the source or the agent
	Cluster string // of an agent
	Version string // of the sidecar, for GET /v1/status

	Store   *store.Store
	Driver  transport.Driver
	Live    Live
	Config  func() resource.ConfigStatus // nil = none
	Busy    func() bool                  // work whose results are to come: the end waits for it, within the grace time; nil = never
	Metrics prometheus.Registerer        // nil = not registered
	Log     *slog.Logger
}

// Live is what may change while the proxy runs.
type Live struct {
	DataTypes     []resource.DataType
	Reconnect     reconnect.Policy
	Resync        Resync
	Limits        Limits
	Retry         Retry
	ShutdownGrace time.Duration
	Works         Works
}

// Works says whether resources of the data types of works are held to what
// Kubernetes and agents make of them (docs/works.md).
type Works struct {
	Enabled  bool
	MaxBytes int64 // of the manifests of one work
}

// Resync says when the other side is asked, and how many deletes of ids that
// this source does not know may be told in an hour (docs/configuration.md).
type Resync struct {
	OnReconnect  bool
	Repeat       []time.Duration
	StatusEvery  time.Duration
	SpecEvery    time.Duration
	SpecEveryMax time.Duration
	Jitter       float64
	MaxDeletes   int
}

// Limits bound what goes out. Zero = no limit.
type Limits struct {
	PublishQPS   float64
	PublishBurst int
}

// Retry is the rate limiter of failed work.
type Retry struct {
	Initial time.Duration
	Max     time.Duration
	Most    int // failures after which a key is dead; 0 = never
}

func (o Options) validate() error {
	if o.Role != resource.Source && o.Role != resource.Agent {
		return fmt.Errorf("role %q is neither source nor agent", o.Role)
	}
	if err := resource.ValidateName("id", o.ID); err != nil {
		return err
	}
	if o.Role == resource.Agent {
		return resource.ValidateName("cluster", o.Cluster)
	}
	return nil
}

func (l *Live) handles(d resource.DataType) bool { return slices.Contains(l.DataTypes, d) }
