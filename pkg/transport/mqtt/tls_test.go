package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/transport"
	"github.com/pillion-dev/pillion/pkg/transport/mqtt"
	"github.com/pillion-dev/pillion/testbroker"
)

// authority is a CA of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key, a.pem = makeCert(t, template, nil)
	return a
}

// issue makes a certificate for server or client on the loopback interface.
func (a *authority) issue(t *testing.T) (cert, key []byte) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"broker.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	_, private, cert := makeCert(t, template, a)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	mustNot(t, err)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func makeCert(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustNot(t, err)
	if by == nil {
		by = &authority{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	mustNot(t, err)
	cert, err := x509.ParseCertificate(der)
	mustNot(t, err)
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// serverTLS is a broker's configuration; clients, if not nil, must come with a
// certificate of that CA.
func (a *authority) serverTLS(t *testing.T, clients *authority) *tls.Config {
	cert, key := a.issue(t)
	pair, err := tls.X509KeyPair(cert, key)
	mustNot(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(clients.cert)
	}
	return config
}

func withTLS(t *testing.T, o mqtt.Options, settings mqtt.TLSOptions) mqtt.Options {
	t.Helper()
	config, err := settings.Config()
	mustNot(t, err)
	o.TLS = config
	return o
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	mustNot(t, os.WriteFile(path, content, 0o600))
	return path
}

func TestTLSWithCAOnly(t *testing.T) {
	ca := newAuthority(t)
	b := startBroker(t, testbroker.Options{TLS: ca.serverTLS(t, nil)})
	for name, settings := range map[string]mqtt.TLSOptions{
		"inline": {CAData: ca.pem}, "file": {CAFile: file(t, ca.pem)}, "name": {CAData: ca.pem, ServerName: "broker.test"},
	} {
		t.Run(name, func(t *testing.T) {
			exchange(t, withTLS(t, sourceOptions(b.Addr()), settings), withTLS(t, agentOptions(b.URL()), settings))
		})
	}
	dialError(t, withTLS(t, sourceOptions(b.Addr()), mqtt.TLSOptions{CAData: newAuthority(t).pem}), "certificate")
	dialError(t, withTLS(t, sourceOptions(b.Addr()), mqtt.TLSOptions{CAData: ca.pem, ServerName: "other.test"}), "certificate")
	dialError(t, sourceOptions(b.URL()), "certificate")      // the system's CAs do not know it
	dialError(t, sourceOptions(b.Addr()), "it may want TLS") // plain on a TLS port
}

func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t)
	settings := mqtt.TLSOptions{CAData: ca.pem, CertFile: file(t, cert), KeyFile: file(t, key)}
	b := startBroker(t, testbroker.Options{TLS: ca.serverTLS(t, ca)})
	exchange(t, withTLS(t, sourceOptions(b.Addr()), settings), withTLS(t, agentOptions(b.Addr()), settings))

	err := dialError(t, withTLS(t, sourceOptions(b.Addr()), mqtt.TLSOptions{CAData: ca.pem}), "client certificate")
	if !errors.Is(err, transport.ErrRefused) {
		t.Errorf("error %v is not ErrRefused", err)
	}
}

func TestMutualTLSOnMosquitto(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t)
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	startMosquitto(t, "user root", "listener "+port+" 127.0.0.1", "cafile "+file(t, ca.pem), "certfile "+file(t, cert),
		"keyfile "+file(t, key), "require_certificate true")
	listening(t, addr)
	settings := mqtt.TLSOptions{CAData: ca.pem, CertData: cert, KeyData: key}
	exchange(t, withTLS(t, sourceOptions(addr), settings), withTLS(t, agentOptions(addr), settings))
	dialError(t, withTLS(t, sourceOptions(addr), mqtt.TLSOptions{CAData: ca.pem}), "connect to broker")
}

func TestSecureWebSocket(t *testing.T) {
	ca := newAuthority(t)
	b := startBroker(t, testbroker.Options{TLS: ca.serverTLS(t, nil), WebSocket: true})
	settings := mqtt.TLSOptions{CAData: ca.pem}
	exchange(t, withTLS(t, sourceOptions(b.URL()), settings), withTLS(t, agentOptions(b.URL()), settings))
	dialError(t, sourceOptions(b.URL()), "certificate")
}

// With TLS settings nothing is ever sent in plain text, whatever the scheme.
func TestTLSNeverFallsBack(t *testing.T) {
	b := startBroker(t, testbroker.Options{})
	settings := mqtt.TLSOptions{CAData: newAuthority(t).pem}
	for _, broker := range []string{b.Addr(), "mqtt://" + b.Addr(), "mqtts://" + b.Addr()} {
		dialError(t, withTLS(t, sourceOptions(broker), settings), "plain text is not tried")
	}
	dialError(t, withTLS(t, sourceOptions("ws://"+b.Addr()), settings), "plain text is not tried")
	if clients := b.Clients(); len(clients) > 0 {
		t.Errorf("connected: %v", clients)
	}
}

func TestTLSOptions(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t)
	_, otherKey := ca.issue(t)
	if config, err := (mqtt.TLSOptions{}).Config(); config != nil || err != nil {
		t.Errorf("nothing given makes %v, %v", config, err)
	}
	for want, settings := range map[string]mqtt.TLSOptions{
		"read the CA":             {CAFile: filepath.Join(t.TempDir(), "none")},
		"is empty":                {CAFile: file(t, nil)},
		"no certificate in PEM":   {CAData: []byte("hello")},
		"without its key":         {CertData: cert},
		"without its certificate": {KeyData: key},
		"leave one out":           {CAData: ca.pem, CAFile: "ca.pem"},
		"private key does not":    {CertData: cert, KeyData: otherKey},
	} {
		config, err := settings.Config()
		if err == nil || !strings.Contains(err.Error(), want) || config != nil {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}
