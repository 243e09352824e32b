package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pillion-dev/pillion/pkg/config"
)

// grace is minimal with that grace time, and what comes after.
func grace(seconds, rest string) string { return minimal + "shutdownGrace: " + seconds + "\n" + rest }

func hasGrace(want time.Duration) func(*config.Config) bool {
	return func(c *config.Config) bool { return c.ShutdownGrace == want }
}

// Every way in which a file is changed is seen, one after the other.
func TestChangesAreApplied(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)

	write(t, folder, "config.yaml", grace("1s", ""))
	w.waitApplied(t, "a write", hasGrace(time.Second))

	must(t, os.Rename(write(t, folder, "new", grace("2s", "")), path))
	w.waitApplied(t, "a rename", hasGrace(2*time.Second))

	must(t, os.Remove(path))
	eventually(t, "the file to be missed", func() bool { return w.Status().Error == path+": no such file or directory" })
	write(t, folder, "config.yaml", grace("3s", ""))
	w.waitApplied(t, "a new file", hasGrace(3*time.Second))

	elsewhere := write(t, t.TempDir(), "real.yaml", grace("4s", ""))
	must(t, os.Remove(path))
	must(t, os.Symlink(elsewhere, path))
	w.waitApplied(t, "a link", hasGrace(4*time.Second))
	must(t, os.WriteFile(elsewhere, []byte(grace("5s", "")), 0o600))
	w.waitApplied(t, "a write behind the link", hasGrace(5*time.Second))
}

func TestConfigMapIsSwapped(t *testing.T) {
	m := mount(t.TempDir())
	m.set(t, map[string]string{"config.yaml": grace("1s", "")})
	w := watch(t, m.file("config.yaml"))
	for _, seconds := range []string{"2s", "3s", "4s"} {
		m.set(t, map[string]string{"config.yaml": grace(seconds, "")})
		want, _ := time.ParseDuration(seconds)
		w.waitApplied(t, "grace "+seconds, hasGrace(want))
	}
	if all := w.all(); len(all) != 3 {
		t.Errorf("applied %d times", len(all))
	}
}

func TestSecretsAreRotated(t *testing.T) {
	cert1, key1 := keyPair(t)
	cert2, key2 := keyPair(t)
	m := mount(t.TempDir())
	m.set(t, map[string]string{"password": "one\n", "tls.crt": cert1, "tls.key": key1})
	text := strings.Replace(minimal, "mqtt: {brokerHost: ", "mqtt: {passwordFile: "+m.file("password")+
		", clientCertFile: "+m.file("tls.crt")+", clientKeyFile: "+m.file("tls.key")+", brokerHost: mqtts://", 1)
	path := write(t, t.TempDir(), "config.yaml", text)
	old, err := config.Load(path)
	must(t, err)
	w := watchFrom(t, path, old)

	m.set(t, map[string]string{"password": "two\n", "tls.crt": cert1, "tls.key": key1})
	w.waitApplied(t, "the password", func(c *config.Config) bool { return c.MQTT.Password == "two" })

	m.set(t, map[string]string{"password": "two\n", "tls.crt": cert2, "tls.key": key1})
	eventually(t, "half of a pair to be refused", func() bool { return strings.Contains(w.Status().Error, "does not go with its key") })
	m.set(t, map[string]string{"password": "two\n", "tls.crt": cert2, "tls.key": key2})
	w.waitApplied(t, "the pair", func(c *config.Config) bool { return string(c.MQTT.ClientCertData) == cert2 })

	before := old
	for _, after := range w.all() {
		if !config.NeedsReconnect(before, after) {
			t.Error("a new secret must reconnect")
		}
		before = after
	}
	if len(w.all()) != 2 {
		t.Errorf("applied %d times", len(w.all()))
	}
}

// A file that is not valid leaves what was there in effect, and says so until
// it is valid again.
func TestInvalidThenValid(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)
	checkMetric(t, w, 1)

	write(t, folder, "config.yaml", minimal+"wrong: hunter2\n")
	want := path + `:5: unknown key "wrong"`
	eventually(t, "the fault", func() bool { return w.Status().Error == want })
	checkMetric(t, w, 0)
	if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, ":5: unknown key") {
		t.Errorf("log: %s", log)
	}

	loaded := w.Status().LoadedAt
	write(t, folder, "config.yaml", minimal)
	eventually(t, "the fault to go", func() bool { return w.Status().Error == "" })
	checkMetric(t, w, 1)
	if !w.Status().LoadedAt.After(loaded) || w.Status().File != path {
		t.Errorf("status %+v", w.Status())
	}
	if len(w.all()) != 0 {
		t.Errorf("applied %d times, with nothing changed", len(w.all()))
	}
	if n := strings.Count(w.log.String(), "configuration is valid again"); n != 1 {
		t.Errorf("told %d times that it is valid again: %s", n, w.log)
	}
	w.Reload()
	eventually(t, "word that nothing has changed", func() bool {
		return strings.Contains(w.log.String(), "configuration read again, nothing has changed")
	})
	if strings.Contains(w.log.String(), "hunter2") {
		t.Error("the log holds a value")
	}
}

// checkMetric gathers the metrics as a scrape does.
func checkMetric(t *testing.T, w *watched, successful float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w.Collectors()...)
	families, err := registry.Gather()
	must(t, err)
	values := map[string]float64{}
	for _, family := range families {
		values[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	if got := values["sidecar_config_last_reload_successful"]; got != successful {
		t.Errorf("successful: %g, want %g", got, successful)
	}
	age := float64(time.Now().Unix()) - values["sidecar_config_last_reload_success_timestamp_seconds"]
	if age < -1 || age > 60 {
		t.Errorf("loaded %g s ago", age)
	}
}

// A change that is not taken counts as not valid; SIGHUP tries again.
func TestRefusedByApply(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)
	w.setRefuse(errors.New("no room"))
	write(t, folder, "config.yaml", grace("1s", ""))
	eventually(t, "the refusal", func() bool { return w.Status().Error == "no room" })
	w.setRefuse(nil)
	w.Reload()
	eventually(t, "the second try", func() bool { return w.Status().Error == "" })
	if len(w.all()) != 2 {
		t.Errorf("applied %d times", len(w.all()))
	}
}

func TestImmutableIsRefused(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)
	write(t, folder, "config.yaml", strings.Replace(minimal, "hub1", "hub2", 1)+"shutdownGrace: 1s\n")
	eventually(t, "the refusal", func() bool { return strings.Contains(w.Status().Error, `id ("hub1", not "hub2")`) })
	if len(w.all()) != 0 {
		t.Error("applied all the same")
	}
}

// What changes no setting is a reload with success, but nothing to apply.
func TestCommentsAreNotApplied(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)
	loaded := w.Status().LoadedAt
	write(t, folder, "config.yaml", "# a remark\n"+minimal)
	eventually(t, "the reload", func() bool { return w.Status().LoadedAt.After(loaded) })
	if len(w.all()) != 0 {
		t.Error("applied all the same")
	}
}

// The set of files that are watched changes with the configuration, also with
// one that is not valid yet.
func TestWatchesFollow(t *testing.T) {
	folder, secrets := t.TempDir(), t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)

	password := filepath.Join(secrets, "password")
	write(t, folder, "config.yaml", strings.Replace(minimal, "mqtt: {", "mqtt: {passwordFile: "+password+", ", 1))
	eventually(t, "the missing file", func() bool { return strings.Contains(w.Status().Error, "no such file") })
	write(t, secrets, "password", "one")
	w.waitApplied(t, "the file", func(c *config.Config) bool { return c.MQTT.Password == "one" })

	sdk := write(t, t.TempDir(), "mqtt.yaml", "brokerHost: b:1\n")
	write(t, folder, "config.yaml", strings.Replace(minimal, "brokerHost: broker.example.com:1883", "configFile: "+sdk, 1))
	w.waitApplied(t, "the SDK file", func(c *config.Config) bool { return c.MQTT.Brokers[0] == "b:1" })
	must(t, os.WriteFile(sdk, []byte("brokerHost: b:2\n"), 0o600))
	w.waitApplied(t, "its change", func(c *config.Config) bool { return c.MQTT.Brokers[0] == "b:2" })
}

// Where a folder above the file's is swapped, only polling sees it.
func TestPollingFindsTheRest(t *testing.T) {
	folder := t.TempDir()
	for _, version := range []string{"1s", "2s"} {
		must(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		write(t, filepath.Join(folder, version), "config.yaml", grace(version, ""))
	}
	link := filepath.Join(folder, "current")
	must(t, os.Symlink("1s", link))
	w := watch(t, filepath.Join(link, "config.yaml"), func(w *config.Watcher) { w.SetPoll(20 * time.Millisecond) })
	must(t, os.Symlink("2s", link+".new"))
	must(t, os.Rename(link+".new", link))
	w.waitApplied(t, "the other version", hasGrace(2*time.Second))
}

// What changed between Load and Run is not missed.
func TestChangeBeforeRun(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	old, err := config.Load(path)
	must(t, err)
	write(t, folder, "config.yaml", grace("1s", ""))
	w := watchFrom(t, path, old)
	w.waitApplied(t, "the change", hasGrace(time.Second))
}

// Warnings of a new configuration are logged, those known already are not.
func TestNewWarningsAreLogged(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "config.yaml", minimal)
	w := watch(t, path)
	write(t, folder, "config.yaml", grace("1s", "cluster: c1\n"))
	w.waitApplied(t, "the change", hasGrace(time.Second))
	write(t, folder, "config.yaml", grace("2s", "cluster: c1\n"))
	w.waitApplied(t, "the next", hasGrace(2*time.Second))
	if got := strings.Count(w.log.String(), "cluster is left out"); got != 1 {
		t.Errorf("logged %d times: %s", got, w.log)
	}
}
