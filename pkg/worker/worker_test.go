package worker_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/worker"
)

// waitForGo is a script that runs until the file go is there.
const waitForGo = `echo begin $SIDECAR_KEY_ID >> $DIR/log; while [ ! -e $DIR/go ]; do sleep 0.01; done; echo end $SIDECAR_KEY_ID >> $DIR/log`

func TestUntilEmptyDrainsTheQueue(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.Concurrency = 2
	w.add("a", "b", "c", "d", "e")
	summary := w.run(`[ $SIDECAR_KEY_ID$SIDECAR_ATTEMPT != c1 ]`)
	if summary != (worker.Summary{Done: 5, Failed: 1}) {
		t.Errorf("%+v", summary)
	}
	if stats, err := w.backend.Queue(apitest.Queue); err != nil || stats.Depth+stats.InFlight != 0 {
		t.Errorf("left %+v, %v", stats, err)
	}
}

func TestOnceTakesOneLease(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once, w.options.Request.Max = false, true, 2
	w.add("a", "b", "c")
	if summary := w.run("exit 0"); summary.Done != 2 {
		t.Errorf("%+v", summary)
	}
}

func TestOnlySoManyCommandsRunAtATime(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.Concurrency, w.options.Request.Max = 3, 10
	w.add("a", "b", "c", "d", "e", "f", "g", "h")
	wait := w.start(t.Context(), waitForGo)
	w.until("three commands run", func() bool { return strings.Count(w.file("log"), "begin") == 3 })
	if stats, _ := w.backend.Queue(apitest.Queue); stats.InFlight != 3 || stats.Depth != 5 {
		t.Errorf("more is taken than runs: %+v", stats)
	}
	w.touch("go")
	if summary, err := wait(); err != nil || summary.Done != 8 {
		t.Errorf("%+v, %v", summary, err)
	}
	running, most := 0, 0
	for line := range strings.Lines(w.file("log")) {
		if strings.HasPrefix(line, "begin") {
			running++
		} else {
			running--
		}
		most = max(most, running)
	}
	if most != 3 {
		t.Errorf("%d ran at a time, want 3", most)
	}
}

func TestLinesOfSeveralCommandsStayWhole(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.add("a", "b", "c", "d")
	w.run(`for i in 1 2 3 4 5; do printf "$SIDECAR_KEY_ID"; sleep 0.01; echo "$SIDECAR_KEY_ID"; done`)
	lines := strings.Fields(w.out.String())
	for _, line := range lines {
		if len(line) != 2 || line[0] != line[1] {
			t.Errorf("line %q", line)
		}
	}
	if len(lines) != 20 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestLeasesAreExtendedWhileTheCommandRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, resource.Agent)
	w.options.Request.LeaseFor = time.Second
	w.add("dev-1")
	wait := w.start(t.Context(), waitForGo)
	w.until("the lease was extended three times", func() bool { return w.recorder.extended() >= 3 })
	w.touch("go")
	if summary, err := wait(); err != nil || summary.Done != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
}

// Its lease is lost, and the item handed out again while its command runs on.
func TestNoTwoCommandsOfAKeyRunAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, resource.Agent)
	w.options.Request.LeaseFor = time.Second
	w.options.Request.Wait, w.options.UntilEmpty = time.Second, false
	w.add("dev-1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := w.start(ctx, waitForGo)
	w.untilFile("log", "begin")
	w.backend.Return([]string{"lease-1"})
	w.until("it is handed out again", func() bool {
		stats, _ := w.backend.Queue(apitest.Queue)
		return stats.InFlight == 1
	})
	before := w.recorder.extended()
	w.until("the item that waits is extended", func() bool { return w.recorder.extended() > before })
	if log := w.file("log"); log != "begin dev-1\n" {
		t.Errorf("two commands at a time: %s", log)
	}
	w.touch("go")
	w.until("the second has run", func() bool { return w.file("log") == strings.Repeat("begin dev-1\nend dev-1\n", 2) })
	w.until("it is answered", func() bool { return len(w.recorder.results()) == 1 })
	cancel()
	if summary, err := wait(); err != nil || summary != (worker.Summary{Done: 1, Failed: 1}) {
		t.Errorf("%+v, %v", summary, err)
	}
}

func TestAnItemThatWaitsGoesBackAtTheEnd(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.Request.Wait, w.options.UntilEmpty = time.Second, false
	w.add("dev-1")
	ctx, cancel := context.WithCancel(t.Context())
	wait := w.start(ctx, waitForGo)
	w.untilFile("log", "begin")
	w.backend.Return([]string{"lease-1"})
	w.until("it is handed out again, and waits for the first command", func() bool {
		stats, _ := w.backend.Queue(apitest.Queue)
		return stats.InFlight == 1 && w.backend.Leasing() == 1
	})
	cancel()
	w.until("it goes back", func() bool { return len(w.recorder.results()) == 1 })
	w.touch("go")
	if summary, err := wait(); err != nil || summary != (worker.Summary{Failed: 1}) || w.recorder.results()[0].RequeueAfter == 0 {
		t.Errorf("%+v, %v, answered %+v", summary, err, w.recorder.results())
	}
}

func TestAWorkerOutlivesItsSidecar(t *testing.T) {
	backend, socket := apitest.New(resource.Agent), apitest.Socket(t)
	w := newWorldAt(t, backend, socket)
	w.options.Request.Wait, w.options.UntilEmpty = time.Second, false
	w.add("dev-1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := w.start(ctx, waitForGo) // there is no sidecar yet
	stop := apitest.ServeAt(t, localapi.Options{Backend: backend}, socket)
	w.untilFile("log", "begin")
	stop()
	w.touch("go")
	w.untilFile("log", "end")
	t.Cleanup(apitest.ServeAt(t, localapi.Options{Backend: backend}, socket))
	w.until("the result is given", func() bool { return len(w.recorder.results()) == 1 })
	cancel()
	if summary, err := wait(); err != nil || summary.Done != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
}

func TestWithoutASidecarThereIsNothingToDrain(t *testing.T) {
	w := newWorldAt(t, apitest.New(resource.Agent), apitest.Socket(t))
	if _, err := w.start(t.Context(), "exit 0")(); resource.CodeOf(err) != resource.Unavailable {
		t.Errorf("ended with %v", err)
	}
}

func TestTheGraceLetsCommandsFinish(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Request.Wait = false, time.Second
	w.add("dev-1")
	ctx, cancel := context.WithCancel(t.Context())
	wait := w.start(ctx, waitForGo)
	w.untilFile("log", "begin")
	cancel()
	w.until("nothing more is asked for", func() bool { return w.backend.Leasing() == 0 })
	w.add("dev-2")
	w.touch("go")
	if summary, err := wait(); err != nil || summary != (worker.Summary{Done: 1}) {
		t.Errorf("%+v, %v", summary, err)
	}
	if stats, _ := w.backend.Queue(apitest.Queue); stats.Depth != 1 || stats.InFlight != 0 {
		t.Errorf("left %+v", stats)
	}
}

// The whole group gets SIGTERM; what it did not finish goes back.
func TestAfterTheGraceCommandsAreEnded(t *testing.T) {
	hurry := make(chan struct{})
	for name, end := range map[string]func(*worker.Options){
		"grace": func(o *worker.Options) { o.Grace = 50 * time.Millisecond },
		"hurry": func(o *worker.Options) { o.Hurry = hurry; close(hurry) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, resource.Agent)
			end(&w.options)
			w.options.UntilEmpty, w.options.Request.Wait = false, time.Second
			w.add("dev-1")
			ctx, cancel := context.WithCancel(t.Context())
			wait := w.start(ctx, `(trap 'echo child >> $DIR/log; exit' TERM; echo begin >> $DIR/log; while :; do sleep 0.01; done) & trap 'wait; exit 1' TERM; wait`)
			w.untilFile("log", "begin")
			cancel()
			if summary, err := wait(); err != nil || summary != (worker.Summary{}) {
				t.Errorf("%+v, %v", summary, err)
			}
			results := w.recorder.results()
			if len(results) != 1 || results[0].Result != resource.ResultDone || results[0].RequeueAfter <= 0 || !strings.Contains(w.file("log"), "child") {
				t.Errorf("answered %+v; log %q", results, w.file("log"))
			}
		})
	}
}

func TestACommandThatTakesTooLongFails(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once, w.options.Timeout = false, true, 50*time.Millisecond
	w.add("dev-1")
	summary := w.run("trap 'exit 3' TERM; sleep 60 & wait")
	if got := w.recorder.results(); summary.Failed != 1 || len(got) != 1 || got[0].Error != "the command took longer than 50ms" {
		t.Errorf("%+v, answered %+v", summary, got)
	}
}

func TestACommandThatIgnoresSIGTERMIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once, w.options.Timeout = false, true, 50*time.Millisecond
	w.add("dev-1")
	summary := w.run(`trap "" TERM; echo $$ > $DIR/pid; while :; do sleep 0.1; done`)
	if got := w.recorder.results(); summary.Failed != 1 || len(got) != 1 || !strings.Contains(got[0].Error, "took longer") {
		t.Errorf("%+v, answered %+v", summary, got)
	}
}

func TestAChildThatKeepsTheOutputDoesNotHoldThePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, resource.Agent)
	w.add("dev-1")
	summary := w.run(`sleep 60 & echo $! > $DIR/pid; echo '{"on":true}'`)
	if got := w.recorder.results(); summary.Done != 1 || len(got) != 1 || string(got[0].Status) != `{"on":true}` {
		t.Errorf("%+v, answered %+v", summary, got)
	}
	w.endProcess("pid")
}

// endProcess ends what a script has left behind.
func (w *world) endProcess(file string) {
	w.t.Helper()
	pid := 0
	for _, c := range strings.TrimSpace(w.file(file)) {
		pid = 10*pid + int(c-'0')
	}
	if process, err := os.FindProcess(pid); pid > 1 && err == nil {
		_ = process.Signal(syscall.SIGTERM)
	}
}
