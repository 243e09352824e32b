//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a child with its output in a file. It dies with this process.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended; err is set then
	err  error
}

// starts runs what starts children, on one thread that never ends: the kernel
// tells a child that its parent died when the thread that started it does.
var starts = func() chan func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
}()

// startProcess starts argv; its output is appended to the file log.
func startProcess(t testing.TB, name, log string, argv ...string) *process {
	t.Helper()
	return startCommand(t, name, log, exec.Command(argv[0], argv[1:]...))
}

// startCommand is startProcess of a command that has more than arguments.
func startCommand(t testing.TB, name, log string, cmd *exec.Cmd) *process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starts <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// ended is why the child is no more, or nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended (%v):\n%s", p.name, p.err, tail(p.log))
	default:
		return nil
	}
}

// kill ends the child at once, as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// exits waits until the child has ended by itself and returns its exit code.
func (p *process) exits(t testing.TB, patience time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s did not end within %s:\n%s", p.name, patience, p.stacks(t))
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// stacks ends the child and is what its goroutines were doing.
func (p *process) stacks(t testing.TB) string {
	t.Helper()
	p.signal(t, syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.kill()
	}
	_, dump, _ := strings.Cut(p.output(t), "SIGQUIT: quit")
	return dump
}

// output is all that the child has printed.
func (p *process) output(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// memory is the resident memory of the child in bytes.
type memory struct{ rss, anon, file int64 }

func (m memory) String() string {
	const mb = 1 << 20
	return fmt.Sprintf("%.1f MB resident (%.1f anonymous, %.1f file)", float64(m.rss)/mb, float64(m.anon)/mb, float64(m.file)/mb)
}

func (p *process) memory(t testing.TB) (m memory) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &m.rss, "RssAnon": &m.anon, "RssFile": &m.file}[name]
		if into == nil {
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		*into = kb << 10
	}
	return m
}

// descriptors is how many files and sockets the child has open.
func (p *process) descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// clockTick is the unit of the times in /proc/PID/stat.
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the child has used.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // from the third on
	utime, err1 := strconv.Atoi(fields[11])
	stime, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return time.Duration(utime+stime) * clockTick
}

// tail is the end of a log file, for failures.
func tail(path string) string {
	const most = 6000
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return string(bytes.TrimSpace(data))
}

// tempDir is a folder with a short name, because a Unix socket's path is
// limited to 107 bytes. It goes with the test.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// logFile names the log of a child and shows its end if the test fails.
func logFile(t testing.TB, dir, name string) string {
	path := filepath.Join(dir, name+".log")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, tail(path))
		}
	})
	return path
}
