package config

import (
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/topics"
)

// Config is the whole configuration; its fields have the names of the keys in
// docs/api.md, Configuration, where their meaning and defaults are told.
type Config struct {
	Role          resource.Role
	ID            string // of the source or the agent
	Cluster       string // of an agent; empty at a source
	Transport     string // "mqtt"
	MQTT          MQTT
	DataTypes     []resource.DataType
	State         State
	API           API
	Handlers      []Handler
	Probes        Probes
	Queue         Queue
	Reconnect     Reconnect
	Limits        Limits
	Resync        Resync
	ShutdownGrace time.Duration
	Work          Work
	Log           Log

	// Warnings are remarks about a configuration that is valid, each as
	// FILE:LINE: remark.
	Warnings []string

	path string // of the configuration file itself
}

// MQTT says how to reach the broker and as whom. The contents of the files are
// in the fields beside them.
type MQTT struct {
	ConfigFile     string   // an SDK file whose keys stand where none of ours do
	Brokers        []string // host:port or a URL with port, tried in turn
	Username       string
	Password       Secret // inline, or what PasswordFile holds
	PasswordFile   string
	CAFile         string
	ClientCertFile string
	ClientKeyFile  string
	CAData         []byte // PEM
	ClientCertData []byte // PEM
	ClientKeyData  SecretBytes
	ClientID       string
	KeepAlive      time.Duration // whole seconds, at least 1
	DialTimeout    time.Duration
	PubQoS         byte          // 1 or 2
	SubQoS         byte          // 1 or 2
	SessionExpiry  time.Duration // 0 = clean start
	Topics         topics.Topics // valid for the role; Resolve fills in its own name
}

// State is where and how the store is kept.
type State struct {
	Dir  string
	Sync bool // false: commits without fsync
}

// API is the local API's listener.
type API struct {
	Socket      string
	SocketMode  os.FileMode // permission bits
	AllowedUIDs []uint32    // empty = whoever the mode lets in

	Listen           string // host:port of the TCP listener; empty = there is none
	AllowNonLoopback bool
	TLS              TLS
	TokenFile        string // empty = made in state.dir; what it holds is not read here
	KubeconfigFile   string // written for Kubernetes clients of the TCP listener; empty = not
}

// TLS is the certificate of the TCP listener; without one it makes its own.
type TLS struct {
	CertFile string
	KeyFile  string
	CertData []byte      // PEM, what CertFile holds
	KeyData  SecretBytes // PEM
}

// Probes is the plain listener of health and metrics.
type Probes struct {
	Listen string // host:port; empty = there is none
}

// Queue is how the work queue tries again.
type Queue struct {
	Retry    Retry
	RetryMax int // failures before a key is dead; 0 = never
}

// Retry is the exponential delay of a key that failed.
type Retry struct {
	Initial time.Duration
	Max     time.Duration
}

// The kinds of jitter of Reconnect.
const (
	JitterFull = "full"
	JitterNone = "none"
)

// Reconnect is how lost connections are tried again.
type Reconnect struct {
	Initial     time.Duration
	Max         time.Duration
	Factor      float64 // above 1
	Jitter      string  // JitterFull or JitterNone
	StableAfter time.Duration
	SlowAfter   time.Duration
	SlowMax     time.Duration
}

// Limits bound the sidecar; 0 = no limit of ours.
type Limits struct {
	PublishQPS       float64 // events a second
	PublishBurst     int     // at least 1 when PublishQPS is set
	MaxResourceBytes int64
	MaxPacketBytes   int64
	MaxWatchers      int
}

// Resync is when the other side is asked again.
type Resync struct {
	OnReconnect  bool
	Repeat       []time.Duration // after a connect; empty = no repeats
	StatusEvery  time.Duration
	SpecEvery    time.Duration
	SpecEveryMax time.Duration
	Jitter       float64 // share of the interval, 0 to 1
	MaxDeletes   int
}

// Work is the ManifestWork side (docs/works.md).
type Work struct {
	Enabled  bool
	MaxBytes int64 // of the manifests of one work; 0 = no limit of ours
}

// The log formats.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Log is how the sidecar logs.
type Log struct {
	Level  slog.Level
	Format string // FormatText or FormatJSON
}

// Files are the configuration file and every file that it names, each once,
// as written there: relative ones are relative to the working directory.
func (c *Config) Files() []string {
	m := &c.MQTT
	files := []string{c.path, m.ConfigFile, m.PasswordFile, m.CAFile, m.ClientCertFile, m.ClientKeyFile,
		c.API.TLS.CertFile, c.API.TLS.KeyFile, c.API.TokenFile}
	for _, h := range c.Handlers {
		files = append(files, slices.Sorted(maps.Values(h.HeadersFrom))...)
	}
	return uniqueFiles(files...)
}

func uniqueFiles(paths ...string) []string {
	var files []string
	seen := map[string]bool{"": true}
	for _, path := range paths {
		if !seen[path] {
			seen[path] = true
			files = append(files, path)
		}
	}
	return files
}
