package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Endpoint is where HTTP requests go to.
type Endpoint struct {
	Socket string // a Unix socket to connect to; empty = the host of URL
	URL    string // http or https
}

// The faults of an endpoint do not repeat it, as its query may hold a secret.
var (
	errEndpointForm = errors.New("must be http://, https:// and a host, or unix:///path/of/socket:/route")
	errEndpointUser = errors.New("must not hold a user name or password: use headersFrom")
	errEndpointPort = errors.New("must have a port from 1 to 65535, or none")
)

func endpoint(n *node) (Endpoint, error) {
	address, err := text(n)
	switch {
	case err != nil:
		return Endpoint{}, err
	case strings.HasPrefix(address, "unix:"):
		return unixEndpoint(address)
	}
	to, err := httpURL(address)
	return Endpoint{URL: to}, err
}

// unixEndpoint reads unix:///path/of/socket:/route; the route may be missing.
func unixEndpoint(address string) (Endpoint, error) {
	rest, ok := strings.CutPrefix(address, "unix://")
	path, route, _ := strings.Cut(rest, ":")
	if route == "" {
		route = "/"
	}
	if !ok || !strings.HasPrefix(path, "/") || !strings.HasPrefix(route, "/") {
		return Endpoint{}, errEndpointForm
	}
	if len(path) > maxSocketPath {
		return Endpoint{}, fmt.Errorf("has a path of %d bytes and a Unix socket's has at most %d: choose a shorter one", len(path), maxSocketPath)
	}
	to, err := httpURL("http://localhost" + route)
	return Endpoint{Socket: path, URL: to}, err
}

func httpURL(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "":
		return "", errEndpointForm
	case u.User != nil:
		return "", errEndpointUser
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
		return "", errEndpointPort
	}
	return u.String(), nil
}

// inClear tells whether what is sent there can be read on the way.
func (e Endpoint) inClear() bool {
	u, err := url.Parse(e.URL)
	if err != nil || e.Socket != "" || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}
