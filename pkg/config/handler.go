package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// Handler is a push handler: where the work of a queue is posted to. The
// contents of the header files are in Headers.
type Handler struct {
	Name        string
	Queue       string
	URL         Endpoint
	Concurrency int
	Timeout     time.Duration
	DataTypes   []resource.DataType // empty = all
	HealthURL   Endpoint            // zero = none
	Format      string              // FormatJSON or FormatCloudEvents
	HeadersFrom map[string]string   // file by the header's canonical name
	Headers     map[string]Secret   // what the files hold
}

// FormatCloudEvents is the format of handlers that are receivers of
// CloudEvents.
const FormatCloudEvents = "cloudevents"

// resourcesQueue is the queue that every sidecar has.
const resourcesQueue = "resources"

// Bounds of handlers: each of their calls has a goroutine and a connection,
// and no lease is longer than an hour.
const (
	maxHandlers    = 64
	maxConcurrency = 1000
	maxTimeout     = time.Hour
)

// worksPrefix begins the data types of works, which are this sidecar's while
// work.enabled says so.
const worksPrefix = "io.open-cluster-management.works."

func defaultHandler() Handler {
	return Handler{Queue: resourcesQueue, Concurrency: 4, Timeout: 30 * time.Second, Format: FormatJSON}
}

func (h *Handler) schema() section {
	return section{
		"name":        set(&h.Name, name),
		"queue":       set(&h.Queue, oneOf(resourcesQueue)),
		"url":         set(&h.URL, endpoint),
		"concurrency": set(&h.Concurrency, whole(1, maxConcurrency)),
		"timeout":     set(&h.Timeout, handlerTimeout),
		"dataTypes":   setList(&h.DataTypes, dataType),
		"healthURL":   set(&h.HealthURL, endpoint),
		"format":      set(&h.Format, oneOf(FormatJSON, FormatCloudEvents)),
		"headersFrom": headerFiles{&h.HeadersFrom},
	}
}

func handlerTimeout(n *node) (time.Duration, error) {
	value, err := positive(n)
	if err == nil && value > maxTimeout {
		err = fmt.Errorf("must be at most %s: a handler that needs longer answers extend", maxTimeout)
	}
	return value, err
}

// handlerList is a target of a list of handlers. The path of a key in it is
// handlers[0].url.
type handlerList struct{ dst *[]Handler }

func (t handlerList) decode(d *decoder, path string, e entry) {
	switch {
	case e.value.bad:
		d.bad[path] = true
	case e.value.unset():
	case e.value.kind != list:
		d.failKey(path, e.at, "must be a list, each with a name and a url, not %s", e.value.what())
	case len(e.value.items) > maxHandlers:
		d.failKey(path, e.at, "has %d handlers and may have %d: one handler takes several data types", len(e.value.items), maxHandlers)
	default:
		*t.dst = nil
		for i, item := range e.value.items {
			*t.dst = append(*t.dst, decodeHandler(d, handlerPath(i), item))
		}
	}
}

func handlerPath(i int) string { return fmt.Sprintf("handlers[%d]", i) }

func decodeHandler(d *decoder, path string, item *node) Handler {
	h := defaultHandler()
	d.wrote[path] = item.at
	if item.blank() && !item.bad {
		d.failKey(path, item.at, "is empty: remove it")
		return h
	}
	h.schema().decode(d, path, entry{at: item.at, value: item})
	return h
}

// completeHandlers checks what no key of a handler can be checked for alone,
// and reads the files of the headers.
func (l *loader) completeHandlers(c *Config) {
	first := map[string]int{}
	for i := range c.Handlers {
		h, path := &c.Handlers[i], handlerPath(i)
		l.require(path+".name", h.Name != "", "is required: it names the handler in metrics, logs and /v1/status")
		l.require(path+".url", h.URL != Endpoint{}, "is required: where items are posted to, such as http://127.0.0.1:8080/items or unix:///run/app/app.sock:/items")
		if at, twice := first[h.Name]; twice && h.Name != "" {
			l.failKey(path+".name", l.at(path+".name"), "is also that of %s: choose another", handlerPath(at))
		}
		first[h.Name] = i
		l.readHeaders(h, path)
		l.warnOfHandler(c, h, path)
	}
}

// warnOfHandler tells what is no fault but hardly meant.
func (l *loader) warnOfHandler(c *Config, h *Handler, path string) {
	if len(h.Headers) > 0 && h.URL.inClear() {
		l.warn(l.at(path+".url"), "the headers of this handler travel in plain text: use https, or a Unix socket")
	}
	known := map[resource.DataType]bool{}
	for _, dataType := range c.DataTypes {
		known[dataType] = true
	}
	for _, dataType := range h.DataTypes {
		isWork := c.Work.Enabled && strings.HasPrefix(string(dataType), worksPrefix)
		if !known[dataType] && !isWork {
			l.warn(l.at(path+".dataTypes"), "%s is not in dataTypes above, so there is nothing of it to hand out", dataType)
		}
	}
}

var errHeaderValue = errors.New("must hold one line of text: the value of the header")
