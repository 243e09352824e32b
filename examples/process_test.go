package examples_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one program that a test has started. It ends with the test at the
// latest, with all that it started itself.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *buffer
	done chan struct{} // closed when it has ended
	err  error         // of Wait; set before done is closed
}

func start(t *testing.T, command []string, env ...string) *process {
	t.Helper()
	p := &process{t: t, name: strings.Join(command[:2], " "), cmd: exec.Command(command[0], command[1:]...), out: &buffer{}, done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=../clients/python"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = 5 * time.Second // for a child that keeps the pipe open
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.cleanup)
	return p
}

func (p *process) cleanup() {
	if !p.ended() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its own group
	}
	<-p.done
	if p.t.Failed() {
		p.t.Logf("%s said:\n%s", p.name, p.output())
	}
}

func (p *process) output() string { return p.out.String() }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exit waits for the end and returns the exit code.
func (p *process) exit(patience time.Duration) int {
	p.t.Helper()
	within(p.t, patience, p.done, p.name+" to end")
	var failed *exec.ExitError
	if p.err != nil && !errors.As(p.err, &failed) {
		p.t.Fatalf("%s: %v", p.name, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) wantExit(patience time.Duration) {
	p.t.Helper()
	if code := p.exit(patience); code != 0 {
		p.t.Fatalf("%s: exit code %d, want 0:\n%s", p.name, code, p.output())
	}
}

// terminate asks for the end and wants a clean one.
func (p *process) terminate() {
	p.t.Helper()
	if p.ended() {
		p.t.Fatalf("%s ended by itself:\n%s", p.name, p.output())
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.wantExit(endTime)
}

// stop is terminate for a sidecar.
func (p *process) stop() { p.terminate() }

// wantLines waits until the program has said it of every device.
func (p *process) wantLines(what string, patience time.Duration) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if strings.Count(p.output(), what) >= len(devices) {
			return
		}
		if p.ended() || time.Now().After(deadline) {
			p.t.Fatalf("%s did not say %q of every device:\n%s", p.name, what, p.output())
		}
	}
}

// within waits for a channel to be closed.
func within(t *testing.T, patience time.Duration, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
	}
}

// buffer is what a program has said so far.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
