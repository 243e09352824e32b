package access_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pillion-dev/pillion/pkg/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const address = "127.0.0.1:7410"

func newCertificates(t testing.TB, dir string) *access.Certificates {
	t.Helper()
	return access.NewCertificates(dir, "sidecar hub1", slog.New(slog.DiscardHandler))
}

// own are certificates that show their own.
func own(t testing.TB, dir, address string) *access.Certificates {
	t.Helper()
	c := newCertificates(t, dir)
	if err := c.ShowOwn(address); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// handshake is what a client sees who trusts the CA and calls the server by
// that name; the error is the client's.
func handshake(t testing.TB, c *access.Certificates, ca, name string, config *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = tls.Server(conn, c.Config()).HandshakeContext(context.Background())
	}()
	config.RootCAs, config.ServerName = x509.NewCertPool(), name
	config.RootCAs.AppendCertsFromPEM([]byte(ca))
	conn, err := tls.Dial("tcp", l.Addr().String(), config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func mustShake(t testing.TB, c *access.Certificates, ca, name string) *x509.Certificate {
	t.Helper()
	cert, err := handshake(t, c, ca, name, &tls.Config{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return cert
}

func TestOurOwnCertificateIsForTheListener(t *testing.T) {
	dir := t.TempDir()
	c := own(t, dir, "10.1.2.3:7410")
	ca := read(t, c.CAFile())
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "10.1.2.3"} {
		cert := mustShake(t, c, ca, name)
		if _, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || cert.IsCA {
			t.Errorf("certificate of %T, CA: %v", cert.PublicKey, cert.IsCA)
		}
		if life := time.Until(cert.NotAfter); life > 90*24*time.Hour || life < 89*24*time.Hour {
			t.Errorf("it is valid for %s", life)
		}
	}
	if _, err := handshake(t, c, ca, "other", &tls.Config{}); err == nil {
		t.Error("it is for any name")
	}
	if _, err := handshake(t, c, ca, "localhost", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	for name, want := range map[string]os.FileMode{"ca.key": 0o600, "tls.key": 0o600, "ca.crt": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
	}
}

func TestTheCAIsKeptForGood(t *testing.T) {
	dir := t.TempDir()
	c := own(t, dir, address)
	ca, first := read(t, c.CAFile()), read(t, filepath.Join(dir, "tls.crt"))
	c = own(t, dir, address)
	if read(t, c.CAFile()) != ca || read(t, filepath.Join(dir, "tls.crt")) != first {
		t.Error("a new start made new certificates")
	}
	c = own(t, dir, "10.1.2.3:7410")
	mustShake(t, c, ca, "10.1.2.3")
	for _, name := range []string{"tls.crt", "tls.key"} { // as a crash would leave them
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		mustShake(t, own(t, dir, address), ca, "localhost")
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if err := newCertificates(t, dir).ShowOwn(address); err == nil || !strings.Contains(err.Error(), "put ca.crt and ca.key back") {
		t.Errorf("a CA without its key: %v", err)
	}
	if read(t, c.CAFile()) != ca {
		t.Error("the CA was replaced")
	}
}

func TestACAThatNobodyCanHaveIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ca.key"), "half a start")
	c := own(t, dir, address)
	mustShake(t, c, read(t, c.CAFile()), "localhost")
}

func TestOurCertificateIsRenewedWhileItIsShown(t *testing.T) {
	dir, now := t.TempDir(), time.Now().Add(-61*24*time.Hour) // clients have no other clock
	c := newCertificates(t, dir)
	c.SetClock(func() time.Time { return now })
	if err := c.ShowOwn(address); err != nil {
		t.Fatal(err)
	}
	ca, first := read(t, c.CAFile()), c.Expiry()
	now = now.Add(59 * 24 * time.Hour)
	if c.Look(); c.Expiry() != first {
		t.Error("renewed too early")
	}
	now = now.Add(2 * 24 * time.Hour)
	if c.Look(); !c.Expiry().After(first) {
		t.Fatal("not renewed after two thirds")
	}
	if cert := mustShake(t, c, ca, "localhost"); !cert.NotAfter.Equal(c.Expiry()) {
		t.Error("the old one is shown")
	}
	second := c.Expiry()
	now = now.Add(61 * 24 * time.Hour)
	write(t, filepath.Join(dir, "ca.key"), "broken")
	if c.Look(); c.Expiry() != second {
		t.Error("what cannot be renewed is not shown any more")
	}
}

func TestACAAtItsEndIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	c := own(t, dir, address)
	old := read(t, c.CAFile())
	c.SetClock(func() time.Time { return time.Now().Add(3600 * 24 * time.Hour) })
	if err := c.ShowOwn(address); err != nil {
		t.Fatal(err)
	}
	if read(t, c.CAFile()) == old {
		t.Error("it is still there")
	}
}

func TestTheCertificateOfTheConfigurationIsShown(t *testing.T) {
	there, here := t.TempDir(), t.TempDir()
	ca := read(t, own(t, there, address).CAFile())
	c := own(t, here, address)
	if err := c.Show([]byte(read(t, filepath.Join(there, "tls.crt"))), []byte(read(t, filepath.Join(there, "tls.key")))); err != nil {
		t.Fatal(err)
	}
	mustShake(t, c, ca, "localhost")
	if err := c.Show([]byte("no"), []byte("no")); err == nil {
		t.Error("no certificate is shown")
	}
	mustShake(t, c, ca, "localhost")
	c.SetClock(func() time.Time { return time.Now().Add(80 * 24 * time.Hour) })
	c.Look() // not ours to renew
	mustShake(t, c, ca, "localhost")
}

func TestWithoutACertificateNobodyGetsIn(t *testing.T) {
	c := newCertificates(t, t.TempDir())
	if _, err := handshake(t, c, "", "localhost", &tls.Config{}); err == nil {
		t.Error("a handshake without a certificate")
	}
	if !c.Expiry().IsZero() {
		t.Error("nothing comes to an end")
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newCertificates(t, t.TempDir()).Run(ctx); err != nil {
		t.Error(err)
	}
}
