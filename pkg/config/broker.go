package config

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultPorts are the schemes of a broker's URL and where they lead if it
// names no port.
var defaultPorts = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// The faults of a broker's address do not repeat it, as it may hold a password.
var (
	errBrokerForm = errors.New("must be host:port, or mqtt://, mqtts://, ws:// or wss:// and a host")
	errBrokerPort = errors.New("must end in :port, such as broker.example.com:1883, with a port from 1 to 65535")
	errBrokerUser = errors.New("must not hold a user name or password: use mqtt.username and mqtt.passwordFile")
)

// broker is host:port as written, or a URL with its port filled in.
func broker(n *node) (string, error) {
	address, err := text(n)
	switch {
	case err != nil:
		return "", err
	case strings.Contains(address, "@"):
		return "", errBrokerUser
	case strings.Contains(address, "://"):
		return brokerURL(address)
	}
	return address, checkHostPort(address)
}

func brokerURL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errBrokerForm
	}
	port, known := defaultPorts[u.Scheme]
	webSocket := strings.HasPrefix(u.Scheme, "ws")
	if !known || u.Hostname() == "" || u.Fragment != "" || !webSocket && (u.RawQuery != "" || strings.Trim(u.Path, "/") != "") {
		return "", errBrokerForm
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u.String(), checkHostPort(u.Host)
}

func checkHostPort(address string) error {
	if strings.ContainsAny(address, "/ ") {
		return errBrokerForm
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errBrokerPort
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return errBrokerPort
	}
	if host == "" {
		return errBrokerForm
	}
	return nil
}

// oneBroker is a target of a single address, in place of a list.
func oneBroker(dst *[]string) target {
	return single(func(n *node) error {
		address, err := broker(n)
		*dst = []string{address}
		return err
	})
}

// plainScheme tells whether the address asks for a connection without TLS.
func plainScheme(address string) bool {
	return strings.HasPrefix(address, "mqtt://") || strings.HasPrefix(address, "ws://")
}
