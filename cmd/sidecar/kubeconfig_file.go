package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
)

// kubeconfigEvery is how often it is looked whether token or CA have changed.
const kubeconfigEvery = time.Second

// kubeconfigFile keeps api.kubeconfigFile true: who changes the token only writes
// the new one over the old (docs/security.md).
type kubeconfigFile struct {
	log *slog.Logger

	mu      sync.Mutex
	cfg     *config.Config // that it is written for; nil = there is none
	written []byte
	failed  string // the last error that was logged
}

// arrange writes the file for a configuration, and looks after it from now on.
func (k *kubeconfigFile) arrange(cfg *config.Config) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, err := writeKubeconfig(cfg)
	if err != nil {
		return err
	}
	k.cfg, k.written, k.failed = cfg, text, ""
	if text == nil {
		k.cfg = nil
	}
	return nil
}

// Run writes the file again when token or CA have changed, until ctx ends; then
// it returns nil.
func (k *kubeconfigFile) Run(ctx context.Context) error {
	every(ctx, kubeconfigEvery, k.look)
	return nil
}

// look writes the file if it would be another one. A token that is just being
// written leaves it as it is.
func (k *kubeconfigFile) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cfg == nil {
		return
	}
	text, err := kubeconfigOf(k.cfg, "", true)
	if err == nil && bytes.Equal(text, k.written) {
		return
	}
	if err == nil {
		text, err = writeKubeconfig(k.cfg)
	}
	if err != nil {
		if k.failed != fmt.Sprint(err) {
			k.log.Error("api.kubeconfigFile cannot be written, the last good one stays", "error", err)
		}
		k.failed = fmt.Sprint(err)
		return
	}
	k.written, k.failed = text, ""
	k.log.Info("api.kubeconfigFile written anew: token or CA have changed", "file", k.cfg.API.KubeconfigFile)
}
