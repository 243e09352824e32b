package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// The schemes of broker URLs.
const (
	schemeMQTT  = "mqtt"
	schemeMQTTS = "mqtts"
	schemeWS    = "ws"
	schemeWSS   = "wss"
)

var defaultPorts = map[string]string{schemeMQTT: "1883", schemeMQTTS: "8883", schemeWS: "80", schemeWSS: "443"}

// address is one broker: a URL with a port, without credentials.
type address struct{ url url.URL }

// parseAddress reads what Options.Brokers holds. With TLS settings every
// address uses TLS: a plain one would be a fall-back.
func parseAddress(s string, withTLS bool) (address, error) {
	if !strings.Contains(s, "://") {
		s = schemeMQTT + "://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return address{}, errors.New("a broker address is neither host:port nor a URL with mqtt, mqtts, ws or wss")
	}
	if u.User != nil {
		return address{}, fmt.Errorf("the address of broker %s holds credentials: put them into username and password", u.Host)
	}
	if withTLS && (u.Scheme == schemeMQTT || u.Scheme == schemeWS) {
		u.Scheme += "s"
	}
	port, known := defaultPorts[u.Scheme]
	if !known {
		return address{}, fmt.Errorf("broker %.200s: the scheme must be mqtt, mqtts, ws or wss", u)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	a := address{url.URL{Scheme: u.Scheme, Host: u.Host}}
	if a.webSocket() {
		a.url.Path, a.url.RawPath, a.url.RawQuery = u.Path, u.RawPath, u.RawQuery
	} else if strings.Trim(u.Path, "/") != "" {
		return address{}, fmt.Errorf("broker %.200s: only ws and wss have a path", u)
	}
	return a, nil
}

// String is for people: a query may hold a token and is left out.
func (a address) String() string {
	a.url.RawQuery = ""
	return a.url.String()
}

func (a address) secure() bool    { return a.url.Scheme == schemeMQTTS || a.url.Scheme == schemeWSS }
func (a address) webSocket() bool { return a.url.Scheme == schemeWS || a.url.Scheme == schemeWSS }

// dial opens the byte stream that MQTT goes over, and also returns the TCP
// connection below it, which ends everything at once when closed.
func (a address) dial(ctx context.Context, config *tls.Config) (stream, tcp net.Conn, err error) {
	if a.webSocket() {
		return a.dialWebSocket(ctx, config)
	}
	tcp, err = new(net.Dialer).DialContext(ctx, "tcp", a.url.Host)
	if err != nil || !a.secure() {
		return tcp, tcp, err
	}
	secured := tls.Client(tcp, a.tlsConfig(config))
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, nil, errors.Join(tlsError(err), tcp.Close())
	}
	return secured, tcp, nil
}

// tlsConfig is the configuration for this host, with the system's CAs if none
// is given.
func (a address) tlsConfig(config *tls.Config) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = a.url.Hostname()
	}
	return config
}

// tlsError says what to do about a failed handshake.
func tlsError(err error) error {
	switch {
	case errors.As(err, new(tls.RecordHeaderError)), hungUp(err):
		return fmt.Errorf("TLS handshake: the broker may not speak TLS on this port, and plain text is not tried: %w", err)
	case isAlert(err):
		return fmt.Errorf("%w in the TLS handshake: it may want another client certificate: %w", transport.ErrRefused, err)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}

// isAlert tells whether the other side has complained. TLS 1.3 brokers
// complain about a client certificate only after the handshake.
func isAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error"
}

// hungUp tells whether the other side has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (a address) dialWebSocket(ctx context.Context, config *tls.Config) (stream, tcp net.Conn, err error) {
	dialer := websocket.Dialer{
		Subprotocols: []string{"mqtt"}, // MQTT 5, 6.0
		Proxy:        http.ProxyFromEnvironment,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			tcp, err = new(net.Dialer).DialContext(ctx, network, addr)
			return tcp, err
		},
	}
	if a.secure() {
		dialer.TLSClientConfig = a.tlsConfig(config)
	}
	ws, response, err := dialer.DialContext(ctx, a.url.String(), nil)
	switch {
	case err == nil:
		return &wsConn{Conn: ws.NetConn(), ws: ws}, tcp, nil
	case response != nil:
		return nil, nil, fmt.Errorf("the WebSocket handshake was answered with %s: check path and port: %w", response.Status, err)
	case tcp != nil && a.secure():
		return nil, nil, tlsError(err)
	}
	return nil, nil, err
}
