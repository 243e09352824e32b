package access

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the age of the certificate is looked at: a machine may
// have slept through any timer.
const lookEvery = time.Minute

// Certificates is the certificate that a TLS listener shows at present.
type Certificates struct {
	dir  string
	name string
	log  *slog.Logger
	now  func() time.Time

	shown atomic.Pointer[tls.Certificate] // nil: nothing to show yet

	mu    sync.Mutex
	hosts []string // of our own certificate; nil: that of the configuration is shown
}

// NewCertificates keeps its own certificates in dir, which must be there; name
// is what they are of, for people who look at them. It shows none yet.
func NewCertificates(dir, name string, log *slog.Logger) *Certificates {
	return &Certificates{dir: dir, name: name, log: log, now: time.Now}
}

// CAFile is where clients find the CA of our own certificates.
func (c *Certificates) CAFile() string { return filepath.Join(c.dir, caFile) }

// Config is the TLS of a listener: 1.2 or newer, and HTTP/1.1.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if cert := c.shown.Load(); cert != nil {
				return cert, nil
			}
			return nil, errors.New("there is no certificate yet")
		},
	}
}

// Prepare reads a certificate of the configuration, in PEM with its key, and
// returns what shows it.
func (c *Certificates) Prepare(certPEM, keyPEM []byte) (show func(), err error) {
	given, err := readPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate: %w", err)
	}
	return func() { c.show(given, nil) }, nil
}

// PrepareOwn is Prepare for our own certificate of a listener on that address
// (host:port). It makes it and its CA if they are missing.
func (c *Certificates) PrepareOwn(address string) (show func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := hostsOf(address)
	own, err := c.own(hosts)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate of our own: %w", err)
	}
	return func() { c.show(own, hosts) }, nil
}

func (c *Certificates) show(cert *pair, hosts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts = hosts
	c.shown.Store(&cert.tls)
}

// hostsOf are the names that a client can have for a listener.
func hostsOf(address string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return hosts
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	if host != "" && !slices.Contains(hosts, host) {
		hosts = append(hosts, host)
	}
	return hosts
}

// own is our own certificate for these hosts, made anew if need be.
func (c *Certificates) own(hosts []string) (*pair, error) {
	ca, err := c.authority()
	if err != nil {
		return nil, err
	}
	cert, err := c.read(certFile, keyFile)
	if err != nil || !c.good(cert.leaf(), hosts, ca) {
		return c.renew(hosts, ca)
	}
	return cert, nil
}

// authority is the CA in dir. It is made anew only if there is none, or if it
// would not outlive what it signs.
func (c *Certificates) authority() (*pair, error) {
	ca, err := c.read(caFile, caKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.missing(caFile): // so nobody can have it yet
	case err != nil:
		return nil, fmt.Errorf("%w: put %s and %s back, or move both away to have new ones, which every client must then be given", err, caFile, caKeyFile)
	case c.now().Add(leafLife).Before(ca.leaf().NotAfter):
		return ca, nil
	default:
		c.log.Warn("the CA of the local API has come to its end: clients must be given the new one", "file", c.CAFile())
	}
	if ca, err = issueCA(c.name, c.now()); err != nil {
		return nil, err
	}
	return ca, c.write(ca, caFile, caKeyFile)
}

func (c *Certificates) missing(name string) bool {
	_, err := os.Lstat(filepath.Join(c.dir, name))
	return errors.Is(err, fs.ErrNotExist)
}

// good tells whether a certificate of ours can go on being shown.
func (c *Certificates) good(leaf *x509.Certificate, hosts []string, ca *pair) bool {
	for _, host := range hosts {
		if leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	now := c.now()
	return leaf.CheckSignatureFrom(ca.leaf()) == nil && now.After(leaf.NotBefore) && now.Before(renewAt(leaf))
}

// renewAt is when a third of its life is left.
func renewAt(leaf *x509.Certificate) time.Time { return leaf.NotAfter.Add(-leafLife / 3) }

func (c *Certificates) renew(hosts []string, ca *pair) (*pair, error) {
	cert, err := issueLeaf(c.name, hosts, ca, c.now())
	if err != nil {
		return nil, err
	}
	if err := c.write(cert, certFile, keyFile); err != nil {
		return nil, err
	}
	c.log.Info("made a TLS certificate for the local API", "hosts", hosts, "until", cert.leaf().NotAfter)
	return cert, nil
}

func (c *Certificates) read(certName, keyName string) (*pair, error) {
	cert, err := readFile(filepath.Join(c.dir, certName))
	key, keyErr := readFile(filepath.Join(c.dir, keyName))
	if err := errors.Join(err, keyErr); err != nil {
		return nil, err
	}
	p, err := readPair(bytes.TrimSpace(cert), bytes.TrimSpace(key))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(c.dir, certName), err)
	}
	return p, nil
}

// write puts the key in place before its certificate: if it ends in between, the
// two do not go together and are made again.
func (c *Certificates) write(p *pair, certName, keyName string) error {
	err := writeFile(filepath.Join(c.dir, keyName), p.keyPEM, secretMode)
	if err = cmp.Or(err, writeFile(filepath.Join(c.dir, certName), p.certPEM, publicMode)); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}

// Run renews our own certificate when two thirds of its life are over, until ctx
// ends; then it returns nil. If that fails it is tried again every minute, with
// the old one shown meanwhile.
func (c *Certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.look()
		}
	}
}

func (c *Certificates) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	shown := c.shown.Load()
	if c.hosts == nil || shown == nil || c.now().Before(renewAt(shown.Leaf)) {
		return
	}
	own, err := c.own(c.hosts)
	if err != nil {
		c.log.Error("TLS certificate cannot be renewed", "until", shown.Leaf.NotAfter, "error", err)
		return
	}
	c.shown.Store(&own.tls)
}

// Expiry is the end of what is shown; zero = nothing is.
func (c *Certificates) Expiry() time.Time {
	if shown := c.shown.Load(); shown != nil {
		return shown.Leaf.NotAfter
	}
	return time.Time{}
}
