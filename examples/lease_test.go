package examples_test

import "testing"

// shellWorker is the one that `sidecar lease` runs for each item.
func shellWorker() program {
	const file = "shell/handle.sh"
	return program{"shell", "agent", file, []string{binary, "lease", "--confirm-deletes", "--", "sh", file}}
}

// The worker is there before its sidecar, which is restarted under it.
func TestShellWorkerWithEverySource(t *testing.T) {
	for _, source := range programs("source") {
		t.Run(source.language, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			edge := w.run(shellWorker())
			w.awaitKnock()
			w.startSidecars()
			w.run(source).wantExit(storyTime)
			edge.wantHandled()
			w.agent.stop()
			w.startSidecars()
			hub := w.run(source)
			hub.wantExit(storyTime)
			hub.wantStory()
			edge.terminate()
		})
	}
}

func TestShellWorkerEndsAtSIGTERM(t *testing.T) {
	w := newWorld(t)
	app := w.run(shellWorker())
	w.awaitKnock()
	app.terminate()
}
