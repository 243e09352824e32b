package manifests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/pkg/config"
)

// object is what the tests read of a Kubernetes object.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct{ Name string }
	Data       map[string]string `json:"data"`
	StringData map[string]string `json:"stringData"`
	Spec       struct{ Template struct{ Spec pod } }
}

type pod struct {
	InitContainers, Containers    []container
	Volumes                       []volume
	TerminationGracePeriodSeconds int
	SecurityContext               struct{ FSGroup int }
}

type container struct {
	Name          string
	Args          []string
	RestartPolicy string
	Env           []struct{ Name, Value string }
	VolumeMounts  []struct{ Name, MountPath, SubPath string }
	Ports         []struct {
		Name          string
		ContainerPort int
	}

	StartupProbe, ReadinessProbe, LivenessProbe probe
}

type probe struct{ HTTPGet struct{ Port, Path string } }

type volume struct {
	Name                  string
	EmptyDir              *struct{}
	ConfigMap             struct{ Name string }
	Secret                struct{ SecretName string }
	PersistentVolumeClaim struct{ ClaimName string }
}

// claims are the objects that the volume is made of.
func (v volume) claims() (kind, name string) {
	switch {
	case v.ConfigMap.Name != "":
		return "ConfigMap", v.ConfigMap.Name
	case v.Secret.SecretName != "":
		return "Secret", v.Secret.SecretName
	case v.PersistentVolumeClaim.ClaimName != "":
		return "PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName
	}
	return "", ""
}

func (c container) mount(volume string) string {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}

// manifest is a file with one Deployment.
type manifest struct {
	t       *testing.T
	objects []object
	pod     pod
	sidecar container
}

func read(t *testing.T, file string) *manifest {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest{t: t}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if o.APIVersion == "" || o.Kind == "" || o.Metadata.Name == "" {
			t.Fatalf("%s: an object has no apiVersion, kind or name:\n%s", file, document)
		}
		m.objects = append(m.objects, o)
		if o.Kind == "Deployment" {
			m.pod = o.Spec.Template.Spec
		}
	}
	if len(m.pod.InitContainers) != 1 || len(m.pod.Containers) != 1 {
		t.Fatalf("%s: want one Deployment with a sidecar and an app", file)
	}
	m.sidecar = m.pod.InitContainers[0]
	return m
}

func (m *manifest) object(kind, name string) object {
	m.t.Helper()
	i := slices.IndexFunc(m.objects, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		m.t.Fatalf("there is no %s %s", kind, name)
	}
	return m.objects[i]
}

// config is the embedded configuration, read as the sidecar would: with the
// files of the mounted Secrets in place.
func (m *manifest) config() *config.Config {
	m.t.Helper()
	root := m.t.TempDir()
	var text string
	paths := []string{}
	for _, v := range m.pod.Volumes {
		kind, name := v.claims()
		switch kind {
		case "ConfigMap":
			text = m.object(kind, name).Data["config.yaml"]
		case "Secret":
			mount := m.sidecar.mount(v.Name)
			paths = append(paths, mount, filepath.Join(root, mount))
			for file, content := range m.object(kind, name).StringData {
				write(m.t, filepath.Join(root, mount, file), content)
			}
		}
	}
	c, err := config.Parse("config.yaml", []byte(strings.NewReplacer(paths...).Replace(text)))
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheConfigurationIsValid(t *testing.T) {
	m := read(t, "agent.yaml")
	c := m.config()
	if len(c.Warnings) > 0 || c.Role != "agent" || string(c.MQTT.Password) == "" {
		t.Errorf("role %s, warnings %q, password given: %t", c.Role, c.Warnings, c.MQTT.Password != "")
	}
	if grace := int(c.ShutdownGrace.Seconds()); m.pod.TerminationGracePeriodSeconds <= grace {
		t.Errorf("terminationGracePeriodSeconds is %d, shutdownGrace %d s", m.pod.TerminationGracePeriodSeconds, grace)
	}
}

func TestThePathsFitTogether(t *testing.T) {
	m := read(t, "agent.yaml")
	c, app := m.config(), m.pod.Containers[0]
	for _, v := range m.pod.Volumes {
		kind, name := v.claims()
		if kind != "" {
			m.object(kind, name)
		} else if v.EmptyDir == nil {
			t.Errorf("volume %s is made of nothing", v.Name)
		}
		if m.sidecar.mount(v.Name) == "" {
			t.Errorf("volume %s is not mounted into the sidecar", v.Name)
		}
	}
	for _, mount := range m.sidecar.VolumeMounts {
		if mount.SubPath != "" {
			t.Errorf("volume %s is mounted with subPath: changes would not reach the sidecar", mount.Name)
		}
	}
	within := func(path, mount string) bool { return mount != "" && strings.HasPrefix(path, mount+"/") }
	if !within(c.API.Socket, m.sidecar.mount("socket")) || !within(c.API.Socket, app.mount("socket")) {
		t.Errorf("socket %s is not in the shared folder", c.API.Socket)
	}
	if !within(c.State.Dir, m.sidecar.mount("state")) || app.mount("state") != "" {
		t.Errorf("state folder %s is not on the sidecar's own volume", c.State.Dir)
	}
	if len(app.Env) != 1 || app.Env[0].Name != "SIDECAR_SOCKET" || app.Env[0].Value != c.API.Socket {
		t.Errorf("the app looks for its socket in %v", app.Env)
	}
	if m.pod.SecurityContext.FSGroup == 0 || m.sidecar.RestartPolicy != "Always" {
		t.Error("want an fsGroup, and a native sidecar")
	}
}

// The image's entry point is the binary that arguments and probes are for.
func TestCommandsFitTheImage(t *testing.T) {
	m := read(t, "agent.yaml")
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`ENTRYPOINT ["/sidecar"]`, `CMD ["run", "--config", "/etc/sidecar/config.yaml"]`, "USER 65532:65532"} {
		if !strings.Contains(string(dockerfile), line+"\n") {
			t.Errorf("Dockerfile has no %s", line)
		}
	}
	if want := []string{"run", "--config", m.sidecar.mount("config") + "/config.yaml"}; !slices.Equal(m.sidecar.Args, want) {
		t.Errorf("args %q, want %q", m.sidecar.Args, want)
	}
}

// The probes go to the port that the configuration opens.
func TestProbesFitTheConfiguration(t *testing.T) {
	m := read(t, "agent.yaml")
	ports := m.sidecar.Ports
	if len(ports) != 1 || ports[0].Name != "probes" || m.config().Probes.Listen != fmt.Sprintf(":%d", ports[0].ContainerPort) {
		t.Fatalf("ports %v, probes.listen %q", ports, m.config().Probes.Listen)
	}
	for name, want := range map[string]struct {
		probe probe
		path  string
	}{
		"startup":   {m.sidecar.StartupProbe, "/readyz?exclude=broker,subscribed,resync"},
		"readiness": {m.sidecar.ReadinessProbe, "/readyz"},
		"liveness":  {m.sidecar.LivenessProbe, "/livez"},
	} {
		if got := want.probe.HTTPGet; got.Port != "probes" || got.Path != want.path {
			t.Errorf("%s probe: %+v, want %s", name, got, want.path)
		}
	}
}
