package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

// settings are those of a sidecar with a TLS listener, as its start leaves them.
func settings(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	cfg := &config.Config{Cluster: "cluster1", State: config.State{Dir: dir}}
	cfg.API.Listen, cfg.API.TokenFile = ":7410", filepath.Join(dir, "token")
	cfg.API.TLS.CertData = []byte("PEM")
	cfg.API.Socket = filepath.Join(dir, "sidecar.sock")
	cfg.API.KubeconfigFile = filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(cfg.API.TokenFile, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestKubeconfigNamesTheTokenFile(t *testing.T) {
	cfg := settings(t)
	text, err := kubeconfigOf(cfg, "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server: https://127.0.0.1:7410", "tokenFile: " + cfg.API.TokenFile, "namespace: cluster1", "certificate-authority-data: UEVN"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("the token is in it:\n%s", text)
	}
}

func TestKubeconfigFileIsWritten(t *testing.T) {
	cfg := settings(t)
	if _, err := writeKubeconfig(cfg); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(cfg.API.KubeconfigFile)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("%v, %v", info, err)
	}
	text, err := os.ReadFile(cfg.API.KubeconfigFile)
	if err != nil || !strings.Contains(string(text), "token: secret") {
		t.Errorf("%s, %v", text, err)
	}
	cfg.API.KubeconfigFile = filepath.Join(cfg.State.Dir, "none", "kubeconfig")
	if _, err := writeKubeconfig(cfg); err == nil || !strings.Contains(err.Error(), "api.kubeconfigFile") {
		t.Errorf("%v, want an error that names the key", err)
	}
}

// Clients take a relative path as one from the kubeconfig, wherever that is.
func TestKubeconfigNamesTheTokenFileWhole(t *testing.T) {
	cfg := settings(t)
	t.Chdir(cfg.State.Dir)
	cfg.API.TokenFile = "token"
	text, err := kubeconfigOf(cfg, "", false)
	if want := "tokenFile: " + filepath.Join(cfg.State.Dir, "token"); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("no %q in\n%s, %v", want, text, err)
	}
}

// The app can write to the folder of the socket: the token must not go to a file
// that a link of its names.
func TestKubeconfigFileIsNotWrittenThroughALink(t *testing.T) {
	cfg := settings(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, cfg.API.KubeconfigFile+".new"); err != nil {
		t.Fatal(err)
	}
	if _, err := writeKubeconfig(cfg); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "untouched" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestKubeconfigNeedsAListener(t *testing.T) {
	cfg := settings(t)
	cfg.API.Listen = ""
	if _, err := kubeconfigOf(cfg, "", false); err == nil || !strings.Contains(err.Error(), "api.listen") {
		t.Errorf("%v", err)
	}
	if _, err := writeKubeconfig(cfg); err != nil {
		t.Errorf("without a listener nothing is written, and that is no error: %v", err)
	}
}

func TestKubeconfigFileFollowsTheToken(t *testing.T) {
	cfg := settings(t)
	file := &kubeconfigFile{log: slog.New(slog.DiscardHandler)}
	if err := file.arrange(cfg); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ token, want string }{{"second\n", "token: second"}, {"", "token: second"}, {"third", "token: third"}} {
		if err := os.WriteFile(cfg.API.TokenFile, []byte(step.token), 0o600); err != nil {
			t.Fatal(err)
		}
		file.look()
		text, err := os.ReadFile(cfg.API.KubeconfigFile)
		if err != nil || !strings.Contains(string(text), step.want) {
			t.Errorf("token %q: no %q in\n%s, %v", step.token, step.want, text, err)
		}
	}
}
