package config

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

var errListenForm = errors.New("must be host:port, such as 127.0.0.1:7410, or :port for every address of the machine, with a port from 1 to 65535")

// listenAddress is host:port of a listener; the host may be missing.
func listenAddress(n *node) (string, error) {
	address, err := text(n)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, "/@ ") {
		return "", errListenForm
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", errListenForm
	}
	return address, nil
}

// isLoopback tells whether only this machine can reach the address. A name is
// loopback for sure only if it is localhost.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// completeListeners checks the TCP listeners, and reads what they need.
func (l *loader) completeListeners(c *Config) {
	api := &c.API
	if c.Probes.Listen != "" && c.Probes.Listen == api.Listen {
		l.failKey("probes.listen", l.at("probes.listen"), "is api.listen, too: choose another port")
	}
	if api.Listen == "" {
		l.warnOfNoListener(api)
		return
	}
	if !api.AllowNonLoopback && !isLoopback(api.Listen) {
		l.failKey("api.listen", l.at("api.listen"), "%q can be reached from other machines: write 127.0.0.1 for its host, or api.allowNonLoopback: true if that is meant", api.Listen)
	}
	l.readCertificate(&api.TLS)
	l.checkToken(api.TokenFile)
}

func (l *loader) warnOfNoListener(api *API) {
	for _, key := range []struct {
		path string
		said bool
	}{
		{"api.allowNonLoopback", api.AllowNonLoopback},
		{"api.tls", api.TLS.CertFile != "" || api.TLS.KeyFile != ""},
		{"api.tokenFile", api.TokenFile != ""},
		{"api.kubeconfigFile", api.KubeconfigFile != ""},
	} {
		if key.said {
			l.warn(l.at(key.path), "%s means nothing without api.listen", key.path)
		}
	}
}

// readCertificate proves that certificate and key can be used.
func (l *loader) readCertificate(t *TLS) {
	const cert, key = "api.tls.certFile", "api.tls.keyFile"
	l.readInto(&t.CertData, cert, t.CertFile)
	l.readInto((*[]byte)(&t.KeyData), key, t.KeyFile)
	switch {
	case l.bad[cert] || l.bad[key]:
		return
	case t.CertFile == "" && t.KeyFile == "":
		return
	case t.CertFile == "":
		l.failKey(key, l.at(key), "needs api.tls.certFile beside it")
		return
	case t.KeyFile == "":
		l.failKey(cert, l.at(cert), "needs api.tls.keyFile beside it")
		return
	}
	l.warnOfOthers(key, t.KeyFile, "a key")
	pair, err := tls.X509KeyPair(t.CertData, t.KeyData)
	switch {
	case err != nil:
		l.failKey(cert, l.at(cert), "does not go with its key: %v", err)
	case time.Now().After(pair.Leaf.NotAfter):
		l.warn(l.at(cert), "the certificate has expired on %s: clients will refuse it", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
}

// fewChars is a token that somebody could find by trying.
const fewChars = 20

// checkToken looks into the token file; its content stays there.
func (l *loader) checkToken(file string) {
	const path = "api.tokenFile"
	if file == "" {
		return
	}
	var content []byte
	if l.readInto(&content, path, file); l.bad[path] {
		return
	}
	switch token := bytes.TrimSpace(content); {
	case len(token) == 0:
		l.failKey(path, l.at(path), "%s: holds no token: write one into it, such as that of openssl rand -hex 32", file)
		return
	case len(token) < fewChars:
		l.warn(l.at(path), "the token has less than %d characters and may be guessed: openssl rand -hex 32 makes a good one", fewChars)
	}
	l.warnOfOthers(path, file, "the token")
}

// warnOfOthers names a secret's file that every user of the machine can read.
func (l *loader) warnOfOthers(path, file, what string) {
	if l.modes[file]&0o004 != 0 {
		l.warn(l.at(path), "%s holds %s and every user can read it: chmod o-r %s", file, what, file)
	}
}
