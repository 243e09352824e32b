package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
)

// keyPair is a new certificate, signed by itself, and its key, both in PEM.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", keyDER)
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestCredentialsAreReadFromFiles(t *testing.T) {
	folder := t.TempDir()
	cert, key := keyPair(t)
	ca := write(t, folder, "ca.crt", cert)
	certFile, keyFile := write(t, folder, "tls.crt", cert), write(t, folder, "tls.key", key)
	password := write(t, folder, "password", " pass word \r\n")
	c, err := config.Load(write(t, folder, "config.yaml", fmt.Sprintf(`role: source
id: hub1
dataTypes: [a.v1.b]
mqtt: {brokerHost: "mqtts://b", passwordFile: %s, caFile: %s, clientCertFile: %s, clientKeyFile: %s}
`, password, ca, certFile, keyFile)))
	if err != nil {
		t.Fatal(err)
	}
	if c.MQTT.Password != " pass word " {
		t.Errorf("password %q", string(c.MQTT.Password))
	}
	if string(c.MQTT.CAData) != cert || string(c.MQTT.ClientCertData) != cert || string(c.MQTT.ClientKeyData) != key {
		t.Error("certificate data are not the files' contents")
	}
	want := []string{filepath.Join(folder, "config.yaml"), password, ca, certFile, keyFile}
	if !slices.Equal(c.Files(), want) {
		t.Errorf("Files: %v, want %v", c.Files(), want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestDataStandsBeforeFile(t *testing.T) {
	cert, key := keyPair(t)
	c := load(t, fmt.Sprintf(`role: source
id: hub1
dataTypes: [a.v1.b]
mqtt:
  brokerHost: mqtts://b
  caFile: /not/there
  caData: %[1]s
  clientCertData: %[1]s
  clientKeyData: |
    %[2]s
`, base64.StdEncoding.EncodeToString([]byte(cert)), base64.StdEncoding.EncodeToString([]byte(key))))
	if string(c.MQTT.CAData) != cert || string(c.MQTT.ClientKeyData) != key {
		t.Error("the data are not taken")
	}
	if !slices.Contains(c.Files(), "/not/there") {
		t.Error("Files leaves out a file that is named")
	}
}

// A certificate whose key has not been swapped yet is refused, so that a
// rotation takes effect when both are there.
func TestBadCredentials(t *testing.T) {
	cert, key := keyPair(t)
	otherCert, _ := keyPair(t)
	folder := t.TempDir()
	for name, content := range map[string]string{
		"cert": cert, "key": key, "other": otherCert, "text": "hello", "empty": "", "newline": "\n",
	} {
		write(t, folder, name, content)
	}
	for keys, want := range map[string]string{
		"caFile: text":                              "mqtt.caFile: holds no certificate in PEM",
		"caFile: empty":                             "mqtt.caFile: " + folder + "/empty: is empty",
		"passwordFile: newline":                     "mqtt.passwordFile: " + folder + "/newline: is empty",
		"passwordFile: none":                        "mqtt.passwordFile: " + folder + "/none: no such file or directory",
		"clientCertFile: cert":                      "mqtt.clientCertFile: needs mqtt.clientKeyFile or mqtt.clientKeyData beside it",
		"clientKeyFile: key":                        "mqtt.clientKeyFile: needs mqtt.clientCertFile or mqtt.clientCertData beside it",
		"clientCertFile: other, clientKeyFile: key": "mqtt.clientCertFile: does not go with its key: tls: private key does not match public key",
		"clientCertFile: text, clientKeyFile: key":  "mqtt.clientCertFile: holds no certificate in PEM",
		"caData: " + base64.StdEncoding.EncodeToString([]byte("x")): "mqtt.caData: holds no certificate in PEM",
	} {
		t.Run(keys, func(t *testing.T) {
			text := strings.ReplaceAll(minimal, "mqtt: {", "mqtt: {"+strings.ReplaceAll(keys, "File: ", "File: "+folder+"/")+", ")
			if got := faults(t, text); !slices.Equal(got, []string{"c.yaml:3: " + want}) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestWarnsOfReadableSecrets(t *testing.T) {
	folder := t.TempDir()
	text := strings.ReplaceAll(minimal, "mqtt: {", "mqtt: {password: \"${PASSWORD}\", ")
	t.Setenv("PASSWORD", "from the environment")
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want int
	}{
		"open":     {strings.ReplaceAll(text, "${PASSWORD}", "inline"), 0o644, 1},
		"closed":   {strings.ReplaceAll(text, "${PASSWORD}", "inline"), 0o640, 0},
		"variable": {text, 0o644, 0},
		"none":     {minimal, 0o644, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, folder, name+".yaml", test.text)
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) != test.want {
				t.Errorf("warnings: %v", c.Warnings)
			}
			if test.want == 1 && !strings.HasPrefix(c.Warnings[0], path+":3: the file holds a secret") {
				t.Errorf("warning: %s", c.Warnings[0])
			}
		})
	}
}
