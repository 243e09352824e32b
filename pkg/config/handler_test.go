package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
	"github.com/pillion-dev/pillion/pkg/resource"
)

func TestHandlers(t *testing.T) {
	c, err := config.Load("testdata/handlers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Handler{{
		Name: "devices", Queue: "resources", Concurrency: 16, Timeout: time.Minute, Format: config.FormatCloudEvents,
		URL:         config.Endpoint{Socket: "/run/app/app.sock", URL: "http://localhost/devices?verbose=1"},
		HealthURL:   config.Endpoint{Socket: "/run/app/app.sock", URL: "http://localhost/healthz"},
		DataTypes:   []resource.DataType{"com.example.fleet.v1alpha1.devices"},
		HeadersFrom: map[string]string{"Authorization": "testdata/token", "X-Team": "testdata/team"},
		Headers:     map[string]config.Secret{"Authorization": "Bearer secret-of-the-app", "X-Team": "fleet"},
	}, {
		Name: "rest", Queue: "resources", Concurrency: 4, Timeout: 30 * time.Second, Format: config.FormatJSON,
		URL: config.Endpoint{URL: "https://app.example.com/items"},
	}}
	if !reflect.DeepEqual(c.Handlers, want) {
		t.Errorf("\n got %+v\nwant %+v", c.Handlers, want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
	if text := fmt.Sprintf("%v %+v %#v", c.Handlers, c.Handlers, c.Handlers); strings.Contains(text, "secret-of") {
		t.Errorf("the header shows: %s", text)
	}
}

func TestEndpoints(t *testing.T) {
	for written, want := range map[string]config.Endpoint{
		"http://127.0.0.1:8080/a?b=c": {URL: "http://127.0.0.1:8080/a?b=c"},
		"https://app":                 {URL: "https://app"},
		"http://[::1]:80/":            {URL: "http://[::1]:80/"},
		"unix:///run/a.sock":          {Socket: "/run/a.sock", URL: "http://localhost/"},
		"unix:///run/a.sock:":         {Socket: "/run/a.sock", URL: "http://localhost/"},
		"unix:///run/a.sock:/b:c":     {Socket: "/run/a.sock", URL: "http://localhost/b:c"},
	} {
		c := load(t, minimal+"handlers: [{name: a, url: \""+written+"\"}]\n")
		if got := c.Handlers[0].URL; got != want {
			t.Errorf("%s: %+v, want %+v", written, got, want)
		}
	}
}

func TestHandlerWarnings(t *testing.T) {
	header := write(t, t.TempDir(), "header", "x")
	for handler, want := range map[string]string{
		"{name: a, url: 'http://app:1/', headersFrom: {X-A: " + header + "}}":         "plain text",
		"{name: a, url: 'http://10.0.0.1:1/', headersFrom: {X-A: " + header + "}}":    "plain text",
		"{name: a, url: 'http://127.0.0.1:1/', headersFrom: {X-A: " + header + "}}":   "",
		"{name: a, url: 'http://localhost:1/', headersFrom: {X-A: " + header + "}}":   "",
		"{name: a, url: 'https://app/', headersFrom: {X-A: " + header + "}}":          "",
		"{name: a, url: 'unix:///a.sock', headersFrom: {X-A: " + header + "}}":        "",
		"{name: a, url: 'http://app:1/'}":                                             "",
		"{name: a, url: 'http://app:1/', dataTypes: [a.v1.b]}":                        "a.v1.b is not in dataTypes",
		"{name: a, url: 'http://app', dataTypes: [" + minimalType + "]}":              "",
		"{name: a, url: 'http://app', dataTypes: [" + worksType + "]}":                "",
		"{name: a, url: 'http://app', dataTypes: [], headersFrom: {}, healthURL: ''}": "",
	} {
		got := strings.Join(load(t, minimal+"handlers:\n- "+handler+"\n").Warnings, "\n")
		if want == "" && got != "" || !strings.Contains(got, want) || want != "" && !strings.Contains(got, ":6: ") {
			t.Errorf("%s: warnings %q, want %q", handler, got, want)
		}
	}
}

const (
	minimalType = "com.example.fleet.v1alpha1.devices"
	worksType   = "io.open-cluster-management.works.v1alpha1.manifestbundles"
)

func TestAHandlerOfWorksThatAreOffIsWarnedAbout(t *testing.T) {
	c := load(t, minimal+"work: {enabled: false}\nhandlers: [{name: a, url: 'http://app', dataTypes: ["+worksType+"]}]\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "is not in dataTypes") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestTooManyHandlers(t *testing.T) {
	got := faults(t, minimal+"handlers: ["+strings.Repeat("{name: a},", 64)+"{name: a}]\n")
	if len(got) != 1 || !strings.Contains(got[0], "has 65 handlers and may have 64") {
		t.Errorf("got %q", got)
	}
}

// The files of headers are watched as those of passwords are.
func TestHeaderFileChanges(t *testing.T) {
	m := mount(t.TempDir())
	m.set(t, map[string]string{"token": "first\n"})
	path := write(t, t.TempDir(), "c.yaml", minimal+"handlers: [{name: a, url: 'unix:///a.sock', headersFrom: {Authorization: "+m.file("token")+"}}]\n")
	w := watch(t, path)
	m.set(t, map[string]string{"token": "second\n"})
	w.waitApplied(t, "the second header", func(c *config.Config) bool {
		return c.Handlers[0].Headers["Authorization"] == "second"
	})
	if strings.Contains(w.log.String(), "second") {
		t.Errorf("the log holds the header: %s", w.log.String())
	}
}
