package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/pkg/config"
)

// check is what holds for every input: a configuration or Errors, each with a
// file and on one line; and the same again the second time.
func check(t *testing.T, c *config.Config, err error) {
	t.Helper()
	if (c == nil) == (err == nil) {
		t.Fatalf("configuration %v with error %v", c, err)
	}
	if err == nil {
		return
	}
	var all config.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("not Errors: %v", err)
	}
	for _, fault := range all {
		if fault.File == "" || strings.Contains(fault.Error(), "\n") {
			t.Errorf("fault %+v", fault)
		}
	}
}

func addSeeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzParse(f *testing.F) {
	addSeeds(f, "testdata/*.yaml")
	addSeeds(f, "testdata/bad/*.yaml")
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("c.yaml", data)
		check(t, c, err)
		again, _ := config.Parse("c.yaml", data)
		if !reflect.DeepEqual(c, again) {
			t.Errorf("got %+v, then %+v", c, again)
		}
	})
}

func FuzzSDKFile(f *testing.F) {
	f.Add([]byte("brokerHost: b:1\ntopics:\n  sourceEvents: sources/hub1/clusters/+/sourceevents\n"))
	f.Add([]byte(`{"brokerHost": "b:1", "keepAlive": 60, "dialTimeout": "10s", "caData": "eA=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "mqtt.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse("c.yaml", []byte("role: source\nid: hub1\ndataTypes: [a.v1.b]\nmqtt: {configFile: "+path+"}\n"))
		check(t, c, err)
	})
}
