package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/localapi"
)

// entranceOf is the way in of a configuration, with a token of its own and a
// port that is free.
func entranceOf(t *testing.T) (*entrance, config.Config) {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	cfg := config.Config{ID: "hub1", State: config.State{Dir: dir}}
	cfg.API.Listen, cfg.API.TokenFile = "127.0.0.1:0", tokenFile(t, "first")
	e := newEntrance(&cfg, localapi.New(localapi.Options{}), log)
	t.Cleanup(e.close)
	if err := e.arrange(&cfg); err != nil {
		t.Fatal(err)
	}
	return e, cfg
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A configuration is taken as a whole or not at all: who was let in by the one
// in effect still is, and by the other nobody.
func TestARefusedConfigurationLeavesTheTokenInEffect(t *testing.T) {
	for what, spoil := range map[string]func(*config.Config){
		"kubeconfigFile": func(cfg *config.Config) { cfg.API.KubeconfigFile = filepath.Join(cfg.State.Dir, "none", "kubeconfig") },
		"certificate":    func(cfg *config.Config) { cfg.API.TLS.CertData = []byte("none") },
		"CA": func(cfg *config.Config) {
			if err := os.Remove(filepath.Join(cfg.State.Dir, "ca.key")); err != nil {
				t.Fatal(err)
			}
		},
		"probes": func(cfg *config.Config) { cfg.Probes.Listen = "256.0.0.1:1" },
	} {
		e, cfg := entranceOf(t)
		cfg.API.TokenFile = tokenFile(t, "second")
		spoil(&cfg)
		if err := e.arrange(&cfg); err == nil {
			t.Fatalf("%s: it was taken", what)
		}
		if !e.token.Allow("first") || e.token.Allow("second") {
			t.Errorf("%s: the token of the refused configuration is in effect", what)
		}
	}
}
