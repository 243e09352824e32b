package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// How long certificates are valid. Clients pin the CA, so it outlives the
// sidecar; the server's is short and renewed.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	skew     = time.Hour // clocks of clients may be behind
)

// pair is a certificate with its key, both in PEM, and read.
type pair struct {
	certPEM, keyPEM []byte
	tls             tls.Certificate
}

func (p *pair) leaf() *x509.Certificate { return p.tls.Leaf }

// readPair takes a certificate and its key apart.
func readPair(certPEM, keyPEM []byte) (*pair, error) {
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	return &pair{certPEM: certPEM, keyPEM: keyPEM, tls: cert}, nil
}

// issueCA makes a CA that signs itself.
func issueCA(name string, now time.Time) (*pair, error) {
	return issue(&x509.Certificate{
		Subject:               pkix.Name{CommonName: name + " CA"},
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, now)
}

// issueLeaf makes a server's certificate for these hosts, which are names or IP
// addresses.
func issueLeaf(name string, hosts []string, ca *pair, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotAfter:    now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return issue(template, ca, now)
}

// issue makes a key, and a certificate for it that ca signs; nil = itself.
func issue(template *x509.Certificate, ca *pair, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template.SerialNumber, template.NotBefore = serial, now.Add(-skew)
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.leaf(), ca.tls.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	keyDER, keyErr := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err, keyErr); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return readPair(encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", keyDER))
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
