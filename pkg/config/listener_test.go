package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

const goodToken = "0123456789abcdef0123456789abcdef"

func TestListenerIsRead(t *testing.T) {
	folder := t.TempDir()
	cert, key := keyPair(t)
	certFile, keyFile := write(t, folder, "api.crt", cert), write(t, folder, "api.key", key)
	tokenFile := write(t, folder, "token", goodToken+"\n")
	c := load(t, minimal+fmt.Sprintf(`api: {listen: "127.0.0.1:7410", tls: {certFile: %s, keyFile: %s}, tokenFile: %s}
probes: {listen: ":7411"}
`, certFile, keyFile, tokenFile))
	if c.API.Listen != "127.0.0.1:7410" || c.Probes.Listen != ":7411" {
		t.Errorf("listens on %q and %q", c.API.Listen, c.Probes.Listen)
	}
	if string(c.API.TLS.CertData) != cert || string(c.API.TLS.KeyData) != key || len(c.Warnings) > 0 {
		t.Errorf("certificate of %d bytes, key of %d, warnings %q", len(c.API.TLS.CertData), len(c.API.TLS.KeyData), c.Warnings)
	}
	for _, file := range []string{certFile, keyFile, tokenFile} {
		if !slices.Contains(c.Files(), file) {
			t.Errorf("%s is not watched", file)
		}
	}
	if shown := fmt.Sprintf("%v %+v", c.API, c.API.TLS); strings.Contains(shown, "PRIVATE KEY") {
		t.Error("the key is printed")
	}
}

func TestListenAddresses(t *testing.T) {
	const elsewhere = "can be reached from other machines"
	for address, want := range map[string]string{
		"127.0.0.1:7410": "", "127.8.9.1:1": "", "[::1]:7410": "", "localhost:65535": "", "[::ffff:127.0.0.1]:80": "",
		":7410": elsewhere, "0.0.0.0:7410": elsewhere, "[::]:7410": elsewhere, "10.0.0.1:7410": elsewhere, "hub.example.com:1": elsewhere,
		"127.0.0.1": "must be host:port", "127.0.0.1:0": "must be host:port", "127.0.0.1:http": "must be host:port",
		"https://127.0.0.1:7410": "must be host:port", "a/b:1": "must be host:port", "127.0.0.1:65536": "must be host:port",
	} {
		got := strings.Join(faults(t, minimal+fmt.Sprintf("api:\n  listen: %q\n", address)), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) || want != "" && !strings.HasPrefix(got, "c.yaml:6: api.listen: ") {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if want == elsewhere {
			if got := faults(t, minimal+fmt.Sprintf("api: {listen: %q, allowNonLoopback: true}\n", address)); got != nil {
				t.Errorf("%s, allowed: %q", address, got)
			}
		}
	}
}

func TestListenerFaults(t *testing.T) {
	folder := t.TempDir()
	cert, key := keyPair(t)
	_, otherKey := keyPair(t)
	files := map[string]string{"cert": cert, "key": key, "other": otherKey, "empty": "", "space": " \n"}
	for name, text := range files {
		files[name] = write(t, folder, name, text)
	}
	for api, want := range map[string]string{
		"tls: {certFile: $cert}":                  "api.tls.certFile: needs api.tls.keyFile beside it",
		"tls: {keyFile: $key}":                    "api.tls.keyFile: needs api.tls.certFile beside it",
		"tls: {certFile: $cert, keyFile: $other}": "api.tls.certFile: does not go with its key",
		"tls: {certFile: $empty, keyFile: $key}":  "is empty",
		"tls: {certFile: /none, keyFile: $key}":   "/none: no such file",
		"tokenFile: $empty":                       "is empty",
		"tokenFile: $space":                       "holds no token: write one into it",
		"tokenFile: " + folder:                    "is not a regular file",
	} {
		text := minimal + "api: {listen: \"127.0.0.1:7410\", " + os.Expand(api, func(name string) string { return files[name] }) + "}\n"
		if got := faults(t, text); len(got) != 1 || !strings.Contains(got[0], want) || !strings.HasPrefix(got[0], "c.yaml:5: ") {
			t.Errorf("%s: %q, want %q", api, got, want)
		}
	}
}

func TestListenerWarnings(t *testing.T) {
	folder := t.TempDir()
	cert, key := keyPair(t)
	open := write(t, folder, "open", goodToken)
	openKey := write(t, folder, "key", key)
	for _, file := range []string{open, openKey} {
		must(t, os.Chmod(file, 0o644))
	}
	certFile, short := write(t, folder, "cert", cert), write(t, folder, "short", "secret")
	for api, want := range map[string]string{
		"allowNonLoopback: true":                       "api.allowNonLoopback means nothing without api.listen",
		"tokenFile: x":                                 "api.tokenFile means nothing without api.listen",
		"tls: {certFile: x}":                           "api.tls means nothing without api.listen",
		"listen: \"127.0.0.1:1\", tokenFile: " + open:  "holds the token and every user can read it: chmod o-r " + open,
		"listen: \"127.0.0.1:1\", tokenFile: " + short: "may be guessed",
		"listen: \"127.0.0.1:1\", tls: {certFile: " + certFile + ", keyFile: " + openKey + "}": "holds a key and every user can read it",
	} {
		c, err := config.Parse("c.yaml", []byte(minimal+"api: {"+api+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], want) {
			t.Errorf("%s: %q, want %q", api, c.Warnings, want)
		}
	}
}

// A token is not in the configuration, so that a new one is no change of it;
// the file is watched all the same, to tell of one that cannot be used.
func TestListenersChangeLive(t *testing.T) {
	old := load(t, minimal)
	token := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(token, []byte(goodToken), 0o600))
	next := load(t, minimal+"api: {listen: \"127.0.0.1:7410\", tokenFile: "+token+"}\nprobes: {listen: \"127.0.0.1:7411\"}\n")
	if err := config.Immutable(old, next); err != nil {
		t.Error(err)
	}
	if config.NeedsReconnect(old, next) {
		t.Error("a listener makes the connection anew")
	}
}
