package proxy

import (
	"sync"

	"github.com/pillion-dev/pillion/pkg/event"
)

// Labels come from the wire: whoever may publish at the broker could make as
// many of them as it likes, and Prometheus would keep them all.
const (
	otherLabel = "other"
	mostPeers  = 10000 // pairs of source and cluster that have series of their own
)

// peerLabels are the peers that have series of their own.
type peerLabels struct {
	mu    sync.Mutex
	known map[[2]string]bool
}

func (p *peerLabels) labels(source, cluster string) (string, string) {
	peer := [2]string{source, cluster}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known[peer] {
		if len(p.known) >= mostPeers {
			return otherLabel, otherLabel
		}
		p.known[peer] = true
	}
	return source, cluster
}

func actionLabel(a event.Action) string {
	switch a {
	case event.CreateRequest, event.UpdateRequest, event.DeleteRequest, event.ResyncRequest, event.ResyncResponse:
		return string(a)
	}
	return otherLabel
}
