package resync

import (
	"iter"
	"time"

	"github.com/pillion-dev/pillion/pkg/event"
)

// SpecEntry is what a source knows of one resource when it answers.
type SpecEntry struct {
	ID              string
	Version         int64 // 0 = the source keeps no versions
	Deleting        bool
	Gone            bool      // forgotten, remembered to be told again
	GoneConfirmedAt time.Time // when the agent was known to be rid of it; zero = never
}

// SpecAnswer is what a spec resync request calls for.
type SpecAnswer struct {
	Send      []string                // ids to publish: newer or deleting here, or gone here but held by the agent
	Confirmed []string                // ids that the agent holds in our very version
	Ahead     []ResourceAhead         // what the agent holds in a version above ours
	Unknown   []event.ResourceVersion // what we have never heard of: to be deleted, if there is no storm
}

// ResourceAhead is a resource that an agent holds in a version above ours.
type ResourceAhead struct {
	ID      string
	Version int64 // the agent's
}

// AnswerSpecs compares what an agent lists with what the source self has in
// that group. Entries that the agent holds for another source are skipped, and
// with From or To in the request so are ids out of that range.
//
// requestTime is the time of the request: a resource that was confirmed to be
// gone later is not told again. A request without a time needs the time at
// which it arrived.
func AnswerSpecs(req *event.SpecRequest, requestTime time.Time, self string, entries iter.Seq[SpecEntry]) SpecAnswer {
	listed := listVersions(req, self)
	known := make(map[string]bool, len(listed))
	var answer SpecAnswer
	for e := range entries {
		if !inRange(req, e.ID) {
			continue
		}
		version, held := listed[e.ID]
		if held {
			known[e.ID] = true
		}
		answer.add(e, version, held, requestTime)
	}
	answer.Unknown = unknown(req, self, known)
	return answer
}

// add decides about one resource of the source; version is the agent's.
func (a *SpecAnswer) add(e SpecEntry, version int64, held bool, requestTime time.Time) {
	switch {
	case e.Gone:
		if held && !e.GoneConfirmedAt.After(requestTime) {
			a.Send = append(a.Send, e.ID)
		}
	case e.Deleting, e.Version == 0, e.Version > version:
		a.Send = append(a.Send, e.ID)
	case version > e.Version:
		a.Ahead = append(a.Ahead, ResourceAhead{ID: e.ID, Version: version})
	default:
		a.Confirmed = append(a.Confirmed, e.ID)
	}
}

// listVersions is the version by id of what the agent holds for self. Of an
// id that is listed twice the first counts.
func listVersions(req *event.SpecRequest, self string) map[string]int64 {
	listed := make(map[string]int64, len(req.ResourceVersions))
	for _, v := range req.ResourceVersions {
		if _, twice := listed[v.ResourceID]; !twice && concerns(req, v, self) {
			listed[v.ResourceID] = v.ResourceVersion
		}
	}
	return listed
}

// unknown are the listed resources that are not known, each once. It marks
// them in known.
func unknown(req *event.SpecRequest, self string, known map[string]bool) []event.ResourceVersion {
	var left []event.ResourceVersion
	for _, v := range req.ResourceVersions {
		if !known[v.ResourceID] && concerns(req, v, self) {
			known[v.ResourceID] = true
			left = append(left, v)
		}
	}
	return left
}

// concerns tells whether a listed resource is to be answered by self.
func concerns(req *event.SpecRequest, v event.ResourceVersion, self string) bool {
	return (v.Source == "" || v.Source == self) && inRange(req, v.ResourceID)
}

func inRange(req *event.SpecRequest, id string) bool {
	return (req.From == nil || id >= *req.From) && (req.To == nil || id <= *req.To)
}
