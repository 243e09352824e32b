package client_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/localapi/client"
	"github.com/pillion-dev/pillion/pkg/resource"
)

// startRemote serves over TCP until the test ends; the client's files are good.
func startRemote(t *testing.T) client.Remote {
	t.Helper()
	own := httptest.NewUnstartedServer(nil) // for its certificate
	own.StartTLS()
	own.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := localapi.New(localapi.Options{Backend: apitest.New(resource.Source)}).Guarded(func(token string) bool { return token == "s3cret" })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- guarded.ServeTLS(ctx, l, &tls.Config{Certificates: own.TLS.Certificates}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate().Raw})
	return client.Remote{Server: "https://" + l.Addr().String(), CAFile: file(t, string(ca)), TokenFile: file(t, "s3cret\n")}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCallsOverTCP(t *testing.T) {
	remote := startRemote(t)
	c := client.NewRemote(remote)
	defer c.Close()
	if status := must[*resource.Status](t)(c.Status(t.Context())); status.Role != resource.Source {
		t.Errorf("status %+v", status)
	}
	var b strings.Builder
	if n := must[int64](t)(c.Backup(t.Context(), &b)); n != int64(len(apitest.BackupText)) || b.String() != apitest.BackupText {
		t.Errorf("a backup of %d bytes: %q", n, b.String())
	}
	if result := must[*resource.ApplyResult](t)(c.Apply(t.Context(), nil, puts(3, nil))); result.Applied != 3 {
		t.Errorf("applied %+v", result)
	}
	wantCode(t, c.Shutdown(t.Context()), resource.Forbidden)
	if err := os.WriteFile(remote.TokenFile, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Status(t.Context()) // the file is read at every call
	wantCode(t, err, resource.Unauthenticated)
}

func TestErrorsOverTCPSayWhatIsMissing(t *testing.T) {
	good := startRemote(t)
	for says, change := range map[string]func(*client.Remote){
		"is not https://host:port":    func(r *client.Remote) { r.Server = "http" + strings.TrimPrefix(r.Server, "https") },
		"give the CA":                 func(r *client.Remote) { r.CAFile = "" },
		"read the CA":                 func(r *client.Remote) { r.CAFile = "/none" },
		"holds no certificate":        func(r *client.Remote) { r.CAFile = file(t, "hello") },
		"read the token":              func(r *client.Remote) { r.TokenFile = "/none" },
		"is empty":                    func(r *client.Remote) { r.TokenFile = file(t, " \n") },
		"Authorization: Bearer TOKEN": func(r *client.Remote) { r.TokenFile = "" },
		"is the sidecar running?":     func(r *client.Remote) { r.Server = "https://127.0.0.1:1" },
	} {
		r := good
		change(&r)
		c := client.NewRemote(r)
		if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got error %v, want one that says %q", err, says)
		}
		c.Close()
	}
}
