package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The console examples of these documents are run as they stand, in order, and
// what they print must be what is written; "…" stands for anything.
func TestDocumentsTellTheTruth(t *testing.T) {
	for _, file := range []string{"../README.md", "../docs/api.md"} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			steps := consoleSteps(string(text))
			if len(steps) < 8 {
				t.Fatalf("found %d commands: has the form of the examples changed?", len(steps))
			}
			w := newWorld(t)
			w.startSidecars()
			w.awaitReady()
			for i, output := range w.perform(steps) {
				steps[i].check(t, output)
			}
		})
	}
}

// step is a command with the output that the document shows.
type step struct{ command, want string }

// consoleSteps are the commands of all ```console blocks: lines that begin with
// "$ ", each followed by its output.
func consoleSteps(text string) (steps []step) {
	inside := false
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console\n"
		case inside && isCommand:
			steps = append(steps, step{command: command})
		case inside && len(steps) > 0:
			steps[len(steps)-1].want += line
		}
	}
	return steps
}

// check wants the parts between the "…" in their order, the first one at the
// beginning and the last one at the end.
func (s step) check(t *testing.T, output string) {
	t.Helper()
	got, want := strings.TrimSpace(output), strings.TrimSpace(s.want)
	parts := strings.Split(want, "…")
	rest, ok := strings.CutPrefix(got, parts[0])
	for _, part := range parts[1:] {
		var found bool
		_, rest, found = strings.Cut(rest, part)
		ok = ok && found
	}
	if last := parts[len(parts)-1]; !ok || !strings.HasSuffix(got, last) || len(parts) == 1 && got != want {
		t.Errorf("$ %s\n got: %s\nwant: %s", strings.TrimSpace(s.command), got, want)
	}
}

// awaitReady waits until both sidecars are connected and have asked.
func (w *world) awaitReady() {
	w.t.Helper()
	for _, side := range []string{"source", "agent"} {
		out, err := exec.Command(binary, "--socket", w.socket(side), "ready", "--wait", storyTime.String()).CombinedOutput()
		if err != nil {
			w.t.Fatalf("%s: %v: %s", side, err, out)
		}
	}
}

// perform runs the commands in one shell, in this world in place of the
// document's, and returns what each has printed.
func (w *world) perform(steps []step) []string {
	w.t.Helper()
	const end = "---- end of command ----"
	var script strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", strings.TrimSpace(s.command), end)
	}
	text := strings.NewReplacer("bin/sidecar", binary, exampleDir, w.dir).Replace(script.String())
	shell := start(w.t, []string{"sh", "-u", "-c", text})
	shell.wantExit(storyTime)
	outputs := strings.Split(shell.output(), end)
	if len(outputs) != len(steps)+1 {
		w.t.Fatalf("%d commands, %d outputs", len(steps), len(outputs)-1)
	}
	return outputs[:len(steps)]
}
