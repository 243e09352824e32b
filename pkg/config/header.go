package config

import (
	"maps"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// headerName is a token of RFC 9110.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

// ownHeaders are those that say how a request is to be read: the sidecar sets
// them, as it does all that begin with ce-.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// headerFiles is a target of a mapping from a header's name to the file that
// holds its value.
type headerFiles struct{ dst *map[string]string }

func (t headerFiles) decode(d *decoder, path string, e entry) {
	switch {
	case e.value.bad:
		d.bad[path] = true
	case e.value.unset():
	case e.value.kind != mapping:
		d.failKey(path, e.at, "must be a mapping from a header to the file of its value, such as {Authorization: /run/secrets/app}, not %s", e.value.what())
	default:
		*t.dst = map[string]string{}
		for _, child := range e.value.entries {
			t.decodeOne(d, path, child)
		}
	}
}

func (t headerFiles) decodeOne(d *decoder, path string, e entry) {
	header := textproto.CanonicalMIMEHeaderKey(e.key)
	here := join(path, header)
	_, twice := (*t.dst)[header]
	switch {
	case !headerName.MatchString(e.key):
		d.failKey(path, e.at, "%q is not a name that a header can have", e.key)
	case slices.Contains(ownHeaders, header) || strings.HasPrefix(header, "Ce-"):
		d.failKey(path, e.at, "%s is set by the sidecar: remove it", e.key)
	case twice:
		d.failKey(path, e.at, "%s is written twice: upper and lower case are the same", e.key)
	case e.value.unset():
		d.failKey(here, e.at, "needs the file of its value")
	default:
		var file string
		d.wrote[here] = e.at
		set(&file, text).decode(d, here, e)
		(*t.dst)[header] = file
	}
}

// readHeaders reads the values, without line breaks at their ends.
func (l *loader) readHeaders(h *Handler, path string) {
	path = join(path, "headersFrom")
	for _, header := range slices.Sorted(maps.Keys(h.HeadersFrom)) {
		var content []byte
		file := h.HeadersFrom[header]
		here := join(path, header)
		l.readInto(&content, here, file)
		value := strings.Trim(string(content), " \t\r\n")
		if !l.bad[here] && (value == "" || strings.ContainsFunc(value, isControl)) {
			l.failKey(here, l.at(here), "%s: %v", file, errHeaderValue)
		}
		if h.Headers == nil {
			h.Headers = map[string]Secret{}
		}
		h.Headers[header] = Secret(value)
	}
}

// isControl tells what no value of a header may hold; a tab it may.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
