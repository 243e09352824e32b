package workapi

import (
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

var klogOnce sync.Once

// quietly sends what the Kubernetes libraries log to the sidecar's log, once for
// the process: they know no other than a global logger.
func quietly(log *slog.Logger) {
	klogOnce.Do(func() { klog.SetLogger(logr.FromSlogHandler(log.Handler())) })
}
