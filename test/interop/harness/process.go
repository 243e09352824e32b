package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// startProcess starts argv; its output is appended to the file log.
func startProcess(name, log string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{name: name, log: log, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ended returns why the child is no more, or nil while it runs.
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

// terminate asks the child to end and waits for that; it returns an error if
// the child does not end in time or does not exit with 0.
func (p *process) terminate(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM:\n%s", p.name, patience, tail(p.log))
	}
	if p.err != nil {
		return fmt.Errorf("%s did not exit with 0 after SIGTERM: %w\n%s", p.name, p.err, tail(p.log))
	}
	return nil
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
	dir, err := os.MkdirTemp("", "interop-")
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
