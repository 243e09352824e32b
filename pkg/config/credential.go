package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
)

// base64Bytes are bytes as the SDK writes them: standard base64.
func base64Bytes(n *node) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(n.text)
	if err != nil {
		return nil, errors.New("must be PEM in base64, on one line or in a block")
	}
	return data, nil
}

func (l *loader) secretText(n *node) (Secret, error) {
	l.markHolder(n)
	return secret(n)
}

func (l *loader) secretBytes(n *node) (SecretBytes, error) {
	l.markHolder(n)
	return base64Bytes(n)
}

// markHolder notes the file that a secret is written in, as against one that
// only names a variable.
func (l *loader) markHolder(n *node) {
	if !n.expanded() {
		l.holders[n.at.file] = n.at
	}
}

// warnOfReaders names the files that hold a secret and that every user of the
// machine can read.
func (l *loader) warnOfReaders() {
	for file, at := range l.holders {
		if l.modes[file]&0o004 != 0 {
			l.warn(at, "the file holds a secret and every user can read it: chmod o-r %s, or keep the secret in a file of its own (mqtt.passwordFile, mqtt.clientKeyFile)", file)
		}
	}
}

// readCredentials reads the files of the password and the certificates. Data
// that is written stands before a file, as in the SDK.
func (l *loader) readCredentials(m *MQTT) {
	if m.PasswordFile != "" && m.Password == "" {
		m.Password = l.readPassword(m.PasswordFile)
	}
	l.readInto(&m.CAData, "mqtt.caFile", m.CAFile)
	l.readInto(&m.ClientCertData, "mqtt.clientCertFile", m.ClientCertFile)
	l.readInto((*[]byte)(&m.ClientKeyData), "mqtt.clientKeyFile", m.ClientKeyFile)
}

func (l *loader) readInto(data *[]byte, path, file string) {
	if file == "" || len(*data) > 0 {
		return
	}
	content, err := l.read(file)
	if err == nil && len(content) == 0 {
		err = errEmpty
	}
	if err != nil {
		l.failKey(path, l.at(path), "%s: %v", file, err)
		return
	}
	*data = content
}

func (l *loader) readPassword(file string) Secret {
	const path = "mqtt.passwordFile"
	var content []byte
	l.readInto(&content, path, file)
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" && !l.bad[path] {
		l.failKey(path, l.at(path), "%s: %v", file, errEmpty)
	}
	return Secret(password)
}

// checkTLS proves that the certificates can be used, so that a connection that
// works is not given up for one that cannot.
func (l *loader) checkTLS(m *MQTT) {
	ca, cert, key := l.keyOf("mqtt.ca"), l.keyOf("mqtt.clientCert"), l.keyOf("mqtt.clientKey")
	if len(m.CAData) > 0 && !x509.NewCertPool().AppendCertsFromPEM(m.CAData) {
		l.failKey(ca, l.at(ca), "holds no certificate in PEM")
	}
	switch {
	case l.bad[cert] || l.bad[key]:
	case len(m.ClientCertData) == 0 && len(m.ClientKeyData) > 0:
		l.failKey(key, l.at(key), "needs mqtt.clientCertFile or mqtt.clientCertData beside it")
	case len(m.ClientCertData) > 0 && len(m.ClientKeyData) == 0:
		l.failKey(cert, l.at(cert), "needs mqtt.clientKeyFile or mqtt.clientKeyData beside it")
	case len(m.ClientCertData) > 0:
		l.checkKeyPair(cert, m)
	}
}

func (l *loader) checkKeyPair(path string, m *MQTT) {
	if block, _ := pem.Decode(m.ClientCertData); block == nil {
		l.failKey(path, l.at(path), "holds no certificate in PEM")
		return
	}
	if _, err := tls.X509KeyPair(m.ClientCertData, m.ClientKeyData); err != nil {
		l.failKey(path, l.at(path), "does not go with its key: %v", err)
	}
}

// keyOf is the key that the data comes from: <prefix>Data if that is written,
// else <prefix>File.
func (l *loader) keyOf(prefix string) string {
	if _, written := l.wrote[prefix+"Data"]; written {
		return prefix + "Data"
	}
	return prefix + "File"
}
