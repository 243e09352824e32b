package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child whose output goes to a file.
type process struct {
	cmd *exec.Cmd
	log string
}

func start(log string, argv ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), log: log}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// failed is an error with the end of the child's output.
func (p *process) failed(err error) error {
	out, _ := os.ReadFile(p.log)
	return fmt.Errorf("%w; its output ends: %s", err, out[max(0, len(out)-1000):])
}

// cpuOf is the processor time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// memoryOf is the resident memory of a process in MB: all, anonymous, file.
func memoryOf(pid int) (rss, anon, file float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		name, rest, _ := strings.Cut(line, ":")
		if _, err := fmt.Sscanf(rest, "%f kB", &kb); err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			rss = kb / 1024
		case "RssAnon":
			anon = kb / 1024
		case "RssFile":
			file = kb / 1024
		}
	}
	return rss, anon, file, nil
}

// broker is a broker process.
type broker struct {
	*process
	kind string
	addr string
	dir  string
}

func startBroker(sidecar, kind string) (*broker, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	b := &broker{kind: kind, dir: dir}
	if b.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	argv, err := b.command(sidecar)
	if err != nil {
		return nil, err
	}
	if b.process, err = start(filepath.Join(dir, "log"), argv...); err != nil {
		return nil, err
	}
	err = await(10*time.Second, func() error {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		defer b.stop()
		return nil, b.failed(err)
	}
	return b, nil
}

func (b *broker) command(sidecar string) ([]string, error) {
	switch b.kind {
	case "mochi":
		return []string{sidecar, "broker", "--listen", b.addr}, nil
	case "mosquitto":
		host, port, _ := net.SplitHostPort(b.addr)
		config := filepath.Join(b.dir, "mosquitto.conf")
		text := fmt.Sprintf("listener %s %s\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nmax_queued_messages 0\n", port, host)
		return []string{mosquittoPath(), "-c", config}, os.WriteFile(config, []byte(text), 0o644)
	}
	return nil, fmt.Errorf("unknown broker %q: mochi or mosquitto", b.kind)
}

// mosquittoPath is where it is; Debian puts it where PATH often does not look.
func mosquittoPath() string {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path
	}
	return "/usr/sbin/mosquitto"
}

func (b *broker) stop() {
	b.process.stop()
	_ = os.RemoveAll(b.dir)
}

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// await calls check until it returns nil, or returns its last error.
func await(patience time.Duration, check func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// terminate ends a child as an operator does.
func (p *process) terminate() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}
