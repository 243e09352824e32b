package resync

import (
	"iter"

	"github.com/pillion-dev/pillion/pkg/event"
)

// StatusEntry is what an agent knows of one resource when it answers.
type StatusEntry struct {
	ID        string
	Hash      string // event.StatusHash
	RawHash   string // event.RawStatusHash
	HasStatus bool
}

// AnswerStatuses compares the hashes that a source holds with the statuses of
// the agent, and returns the ids to publish. An empty list asks for all; else
// what is listed with neither of its two hashes is sent, and what is not
// listed is not.
func AnswerStatuses(req *event.StatusRequest, entries iter.Seq[StatusEntry]) []string {
	listed := make(map[string]string, len(req.StatusHashes))
	for _, h := range req.StatusHashes {
		if _, twice := listed[h.ResourceID]; !twice {
			listed[h.ResourceID] = h.StatusHash
		}
	}
	var send []string
	for e := range entries {
		hash, asked := listed[e.ID]
		if e.HasStatus && (len(listed) == 0 || asked && hash != e.Hash && hash != e.RawHash) {
			send = append(send, e.ID)
		}
	}
	return send
}
