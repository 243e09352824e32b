package resource

import (
	"encoding/json"
	"time"
)

// PutRequest declares a resource at a source.
type PutRequest struct {
	Key         Key // Source may be empty
	Spec        Payload
	Metadata    json.RawMessage // a JSON object or nothing
	Version     int64           // a floor; 0 = none
	IfMatch     *Revision       // holds if spec, metadata and deletion are unchanged since
	IfNoneMatch bool            // "*": only if there is none
}

// StatusRequest reports a status at an agent.
type StatusRequest struct {
	Key     Key             // Source may be empty
	Status  json.RawMessage // a JSON object
	Version int64           // what the status is about; 0 = the version held
	IfMatch *Revision
}

// PatchRequest is a merge patch (RFC 7386) on the body of a PutRequest
// (`{"spec":…,"metadata":…}`) or, with OfStatus, on the status.
type PatchRequest struct {
	Key      Key
	Patch    json.RawMessage
	OfStatus bool
	Version  int64 // with OfStatus, as in StatusRequest
	IfMatch  *Revision
}

// DeleteRequest asks for deletion at a source, or confirms it at an agent.
type DeleteRequest struct {
	Key     Key // Source may be empty
	Force   bool
	IfMatch *Revision
}

// ListRequest selects resources; empty fields select all.
type ListRequest struct {
	DataType DataType
	Cluster  string
	Source   string
	State    SyncState
	Limit    int    // 0 = no limit of the caller's
	Continue string // from the page before
}

// List is one page; all pages are one snapshot and carry its revision.
type List struct {
	Items    []*Resource `json:"items"`
	Continue string      `json:"continue"`
	Revision Revision    `json:"revision"`
}

// WatchRequest selects changes; empty fields select all.
type WatchRequest struct {
	DataType DataType
	Cluster  string
	Source   string
	Since    *Revision // nil = begin with all that there is
}

// The types of watch events (api.md, "Local API").
const (
	WatchAdded    = "ADDED"
	WatchModified = "MODIFIED"
	WatchDeleted  = "DELETED" // carries identity, version, metadata and deletionTimestamp only
	WatchSynced   = "SYNCED"
	WatchBookmark = "BOOKMARK"
	WatchError    = "ERROR"
)

// WatchEvent is one line of a watch.
type WatchEvent struct {
	Type     string    `json:"type"`
	Resource *Resource `json:"resource,omitempty"`
	Revision Revision  `json:"revision,omitzero"` // of SYNCED and BOOKMARK
}

// WaitFor is the state that a write is asked to wait for.
type WaitFor string

// The states that can be waited for. For a delete, WaitObserved = gone.
const (
	WaitPublished WaitFor = "published"
	WaitObserved  WaitFor = "observed"
)

// ResyncRequest asks the other side again.
type ResyncRequest struct {
	Cluster      string `json:"cluster,omitempty"`      // at a source
	Source       string `json:"source,omitempty"`       // at an agent
	AllowDeletes bool   `json:"allowDeletes,omitempty"` // at a source: let held deletes go
}

// Scope is what an app says that it has declared completely; empty = all.
type Scope struct {
	DataType DataType `json:"dataType,omitempty"`
	Cluster  string   `json:"cluster,omitempty"`
}

// Covers tells whether the scope holds resources of that type and cluster.
func (s Scope) Covers(dataType DataType, cluster string) bool {
	return (s.DataType == "" || s.DataType == dataType) && (s.Cluster == "" || s.Cluster == cluster)
}

// LeaseRequest takes work from a queue.
type LeaseRequest struct {
	Queue     string
	Max       int
	Wait      time.Duration // 0 = answer at once
	LeaseFor  time.Duration
	DataTypes []DataType // empty = all
}

// LeaseItem is one piece of work handed out.
type LeaseItem struct {
	Lease   string    `json:"lease"`
	Key     Key       `json:"key"`
	Reasons []string  `json:"reasons"`
	Attempt int       `json:"attempt"`
	Object  *Resource `json:"object"` // null if gone
}

// Results of work.
const (
	ResultDone   = "done"
	ResultFailed = "failed"
	ResultExtend = "extend"
)

// WorkResult is what an app answers for a lease (api.md, "The result").
type WorkResult struct {
	Result       string          // "" = done
	RequeueAfter time.Duration   // with done or failed; 0 = not asked
	LeaseFor     time.Duration   // with extend; 0 = as before
	Error        string          // stays local
	NoRetry      bool            // retry:false: the key becomes dead
	Status       json.RawMessage // stored and published as of the leased version
	Deleted      bool            // confirms a deletion

	// RetryAfter is the least delay that an app which is pushed to has asked for
	// by HTTP; it is not in what an app answers.
	RetryAfter time.Duration
}

// RequeueRequest puts keys back into a queue.
type RequeueRequest struct {
	Queue string
	Key   *Key
	All   bool
}

// QueueStats is the state of one queue.
type QueueStats struct {
	Name          string  `json:"name"`
	Depth         int     `json:"depth"`    // ready to be leased
	InFlight      int     `json:"inFlight"` // leased
	Retrying      int     `json:"retrying"` // waiting for their retry
	Dead          int     `json:"dead"`
	OldestSeconds float64 `json:"oldestSeconds"` // age of the oldest that is ready
}

// DeadItem is a key that was given up.
type DeadItem struct {
	Key      Key       `json:"key"`
	Reasons  []string  `json:"reasons"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	Since    time.Time `json:"since"`
}

// Status is what GET /v1/status answers.
type Status struct {
	Role       Role             `json:"role"`
	ID         string           `json:"id"`
	Cluster    string           `json:"cluster,omitempty"`
	Version    string           `json:"version"`
	Connection ConnectionStatus `json:"connection"`
	Resync     ResyncStatus     `json:"resync"`
	Resources  ResourceCounts   `json:"resources"`
	Config     ConfigStatus     `json:"config"`
	Store      StoreStatus      `json:"store"`
	Handlers   []HandlerStatus  `json:"handlers,omitempty"`
}

// ConnectionStatus is the state of the broker connection.
type ConnectionStatus struct {
	State     string     `json:"state"` // connected | connecting | waiting
	Broker    string     `json:"broker"`
	Since     time.Time  `json:"since"`
	Attempt   int        `json:"attempt"`
	LastError string     `json:"lastError"`
	NextTry   *time.Time `json:"nextTry,omitempty"`
}

// ResyncStatus is the state of asking and answering.
type ResyncStatus struct {
	AskedAt     *time.Time   `json:"askedAt"`
	LastEventAt *time.Time   `json:"lastEventAt"`
	HeldDeletes []HeldDelete `json:"heldDeletes"`
}

// HeldDelete is a resync request that was answered without its deletes.
type HeldDelete struct {
	DataType DataType  `json:"dataType"`
	Cluster  string    `json:"cluster"`
	Count    int       `json:"count"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// ResourceCounts counts resources by their state.
type ResourceCounts struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Published int `json:"published"`
	Observed  int `json:"observed"`
	Deleting  int `json:"deleting"`
}

// ConfigStatus is the state of the configuration.
type ConfigStatus struct {
	File     string    `json:"file"`
	LoadedAt time.Time `json:"loadedAt"`
	Error    string    `json:"error"`
}

// StoreStatus is the state of the store.
type StoreStatus struct {
	Synced []Scope `json:"synced"`
	Bytes  int64   `json:"bytes"`
}

// HandlerStatus is the state of a push handler.
type HandlerStatus struct {
	Name      string `json:"name"`
	URL       string `json:"url"` // without its query, which may hold a secret
	Up        bool   `json:"up"`  // as far as the last call or probe has shown
	InFlight  int    `json:"inFlight"`
	LastError string `json:"lastError"` // why it is not up, or why the last call failed
}

// Check is one part of readiness; Err is nil when it is ready.
type Check struct {
	Name string
	Err  error
}
