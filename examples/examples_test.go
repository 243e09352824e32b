package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/config"
)

// maxLines keeps the programs readable as documentation.
const maxLines = 79

// devices are the ids that the source programs declare by default.
var devices = []string{"dev-1", "dev-2", "dev-3"}

// Bounds that a healthy machine stays far below.
const (
	storyTime = 60 * time.Second
	endTime   = 15 * time.Second
)

func TestEverySourceWithEveryAgent(t *testing.T) {
	for _, source := range programs("source") {
		for _, agent := range programs("agent") {
			t.Run(source.language+" with "+agent.language, func(t *testing.T) {
				playTogether(t, source, agent)
			})
		}
	}
}

// The app is called: it is there before its sidecar, and comes back after a
// restart of its own while the sidecar waits for it.
func TestPushReceiverWithEverySource(t *testing.T) {
	for _, source := range programs("source") {
		t.Run(source.language, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.agentConfig = "push.yaml"
			early := w.run(pushReceiver, w.appSocket())
			w.startSidecars()
			w.run(source).wantExit(storyTime)
			early.wantHandled()
			early.terminate()
			hub := w.run(source)
			hub.wantLines("declared", storyTime)
			edge := w.run(pushReceiver, w.appSocket())
			hub.wantExit(storyTime)
			hub.wantStory()
			edge.wantHandled()
			edge.terminate()
		})
	}
}

func TestAgentsWithTheClientLibraries(t *testing.T) {
	for i, agent := range libraryAgents() {
		t.Run(agent.language, func(t *testing.T) {
			playTogether(t, programs("source")[i], agent)
		})
	}
}

// playTogether runs both apps from before their sidecars are there to the end.
func playTogether(t *testing.T, source, agent program) {
	t.Parallel()
	w := newWorld(t)
	hub, edge := w.run(source), w.run(agent)
	w.awaitKnock()
	w.startSidecars()
	hub.wantExit(storyTime)
	hub.wantStory()
	edge.wantHandled()
	edge.terminate()
}

// The agent's sidecar is down while the source declares, and the source's is
// restarted while its app waits.
func TestAppsOutliveTheirSidecars(t *testing.T) {
	for i, source := range programs("source") {
		t.Run(source.language, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startSidecars()
			edge := w.run(programs("agent")[i])
			w.run(source).wantExit(storyTime)
			w.agent.stop()
			hub := w.run(source)
			hub.wantLines("declared", storyTime)
			w.source.stop()
			w.startSidecars()
			hub.wantExit(storyTime)
			hub.wantStory()
			edge.wantHandled()
			edge.terminate()
		})
	}
}

func TestProgramsEndAtSIGTERM(t *testing.T) {
	for _, p := range allPrograms() {
		t.Run(p.language+" "+p.side+" without a sidecar", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			app := w.run(p)
			w.awaitKnock()
			app.terminate()
		})
	}
	for _, p := range programs("source") {
		t.Run(p.language+" source while it waits", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startSidecars()
			app := w.run(p)
			app.wantLines("declared", storyTime)
			app.terminate()
		})
	}
}

func TestProgramsSayWhatIsWrong(t *testing.T) {
	for _, p := range programs("source") {
		t.Run(p.language, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startSidecars()
			app := w.run(p, "CLUSTER=Not_A_Name")
			if code := app.exit(storyTime); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if out := app.output(); !strings.Contains(out, "invalid_argument") {
				t.Errorf("the problem is not told: %s", out)
			}
		})
	}
}

func TestProgramsAreShort(t *testing.T) {
	files := 0
	for _, p := range append(allPrograms(), pushReceiver, shellWorker()) {
		text, err := os.ReadFile(p.file)
		if err != nil {
			t.Fatal(err)
		}
		files++
		if lines := bytes.Count(text, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", p.file, lines, maxLines)
		}
	}
	if files != 10 {
		t.Errorf("found %d programs, want 10", files)
	}
}

func TestExampleConfigurationsAreValid(t *testing.T) {
	for file, side := range map[string]string{"source": "source", "agent": "agent", "push": "agent"} {
		c, err := config.Load(file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if string(c.Role) != side || len(c.Handlers) > 0 != (file == "push") || len(c.Warnings) > 0 || c.MQTT.Brokers[0] != exampleBroker {
			t.Errorf("%s.yaml: role %s, broker %v, warnings %v", file, c.Role, c.MQTT.Brokers, c.Warnings)
		}
	}
}

// program is one example app.
type program struct {
	language, side string
	file           string
	command        []string
}

// pushReceiver is the one that its sidecar calls.
var pushReceiver = program{"python", "agent", "python/push.py", []string{"python3", "python/push.py"}}

// programs are those of one side, in the order of the languages.
func programs(side string) []program {
	var all []program
	for _, l := range []struct{ language, extension, runner string }{
		{"python", ".py", "python3"}, {"node", ".mjs", "node"}, {"shell", ".sh", "sh"},
	} {
		file := filepath.Join(l.language, side+l.extension)
		all = append(all, program{l.language, side, file, []string{l.runner, file}})
	}
	return all
}

// libraryAgents are the agents that use the client libraries of this repository.
func libraryAgents() []program {
	return []program{
		{"python client", "agent", "python/agent_client.py", []string{"python3", "python/agent_client.py"}},
		{"node client", "agent", "node/agent-client.mjs", []string{"node", "node/agent-client.mjs"}},
	}
}

func allPrograms() []program {
	return slices.Concat(programs("source"), programs("agent"), libraryAgents())
}

// wantStory wants every device declared, observed and gone, in that order.
func (p *process) wantStory() {
	p.t.Helper()
	for _, device := range devices {
		from := 0
		for _, what := range []string{"declared", "observed, status {", "gone"} {
			line := fmt.Sprintf("%s: %s", device, what)
			at := strings.Index(p.output()[from:], line)
			if at < 0 {
				p.t.Fatalf("no line %q after byte %d of:\n%s", line, from, p.output())
			}
			from += at + len(line)
		}
	}
}

// wantHandled wants every device applied and cleaned up; the flaky one failed
// before that.
func (p *process) wantHandled() {
	p.t.Helper()
	for _, line := range []string{"dev-1: version", "dev-2: failed: the device does not answer", "dev-2: version", "dev-3: version",
		"dev-1: cleaned up", "dev-2: cleaned up", "dev-3: cleaned up"} {
		p.says(line)
	}
}

// says waits until the program has said it: what it writes takes a while to get
// here.
func (p *process) says(line string) {
	p.t.Helper()
	for deadline := time.Now().Add(endTime); !strings.Contains(p.output(), line); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("no line %q in:\n%s", line, p.output())
		}
	}
}
