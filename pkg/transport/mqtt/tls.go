package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSOptions are the settings of TLS, each as a file or inline in PEM; of a
// pair only one may be given.
type TLSOptions struct {
	CAFile, CertFile, KeyFile string
	CAData, CertData, KeyData []byte
	ServerName                string // to expect in the broker's certificate; "" = its host name
}

// Config reads the files. It is nil without an error when nothing is given. A
// CA alone is enough for TLS; it is then the only one trusted. There is no way
// to leave the broker unchecked.
func (o TLSOptions) Config() (*tls.Config, error) {
	ca, err := pick("CA", o.CAFile, o.CAData)
	cert, certErr := pick("client certificate", o.CertFile, o.CertData)
	key, keyErr := pick("client key", o.KeyFile, o.KeyData)
	if err := errors.Join(err, certErr, keyErr); err != nil {
		return nil, err
	}
	if ca == nil && cert == nil && key == nil && o.ServerName == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if err := errors.Join(trust(config, ca), identify(config, cert, key)); err != nil {
		return nil, err
	}
	return config, nil
}

// pick is the inline value or the content of the file, nil if neither is set.
func pick(what, file string, data []byte) ([]byte, error) {
	switch {
	case file != "" && len(data) > 0:
		return nil, fmt.Errorf("the %s is given as a file and inline: leave one out", what)
	case len(data) > 0:
		return data, nil
	case file == "":
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("the %s %s is empty", what, file)
	}
	return data, nil
}

func trust(config *tls.Config, ca []byte) error {
	if ca == nil {
		return nil
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return errors.New("the CA holds no certificate in PEM")
	}
	return nil
}

func identify(config *tls.Config, cert, key []byte) error {
	switch {
	case cert == nil && key == nil:
		return nil
	case cert == nil:
		return errors.New("a client key is given without its certificate")
	case key == nil:
		return errors.New("a client certificate is given without its key")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("client certificate and key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}
