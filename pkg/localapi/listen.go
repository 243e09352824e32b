package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxSocketPath is the longest path of a Unix socket in bytes (unix(7): 108
// with the end mark).
const MaxSocketPath = 107

// ErrInUse means that somebody answers on the socket already.
var ErrInUse = errors.New("another sidecar is listening")

const (
	probeTimeout = time.Second     // for whoever listens on the socket found
	lockTimeout  = 2 * time.Second // for another sidecar that is starting in the same folder
	lockPoll     = 10 * time.Millisecond
)

// Listen makes a Unix socket at path with exactly that mode, whatever the
// umask; at no time is the mode wider. A missing folder is made with 0755. A
// socket that is left over is replaced; one on which somebody answers is
// ErrInUse, and what is not a socket is never touched.
//
// Closing the listener removes the socket if it is still the one made here.
func Listen(path string, mode os.FileMode) (net.Listener, error) {
	l, err := listen(path, mode.Perm())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

func listen(path string, mode os.FileMode) (net.Listener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	return bind(path, mode)
}

func checkSocketPath(path string) error {
	switch {
	case path == "":
		return errors.New("the path is empty")
	case path[0] == '@' || strings.IndexByte(path, 0) >= 0:
		return errors.New("the path must be a file's")
	case len(path) > MaxSocketPath:
		return fmt.Errorf("the path has %d bytes, more than the %d that a Unix socket can have; choose a shorter one", len(path), MaxSocketPath)
	}
	return nil
}

// lockFolder keeps two sidecars that start at once from both finding the same
// socket left over, and one from removing what the other has just made.
func lockFolder(folder string) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockPoll) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock folder %s: %w", folder, err)
	}
	return func() { _ = f.Close() }, nil
}

// clearStale removes a socket that nobody listens on.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is not a socket; remove it or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		_ = conn.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("there is a socket, and it is not known whether somebody listens on it: %w", err)
}

// bind makes the socket with its mode.
func bind(path string, mode os.FileMode) (net.Listener, error) {
	l, err := bindNarrow(path, mode)
	if err != nil {
		return nil, err
	}
	socket := &listener{UnixListener: l.(*net.UnixListener), path: path}
	socket.SetUnlinkOnClose(false)
	if err := socket.own(mode); err != nil {
		_ = l.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return socket, nil
}

// bindNarrow makes the socket with the mode less the umask: Linux gives a path
// the mode that the socket's descriptor has when it is bound, so that it never
// has more. What the umask took is for the caller to add.
func bindNarrow(path string, mode os.FileMode) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmod error
		err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), uint32(mode)) })
		return errors.Join(err, chmod)
	}}
	return config.Listen(context.Background(), "unix", path)
}

// listener removes its socket when it is closed.
type listener struct {
	*net.UnixListener
	path  string
	made  os.FileInfo
	close sync.Once
	err   error
}

func (l *listener) own(mode os.FileMode) (err error) {
	if err := os.Chmod(l.path, mode); err != nil {
		return err
	}
	l.made, err = os.Lstat(l.path)
	return err
}

// Close removes the socket and closes the listener. It looks while the socket
// is still open: until then no other file can have its inode number.
func (l *listener) Close() error {
	l.close.Do(func() {
		var removed error
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
			removed = os.Remove(l.path)
		}
		l.err = errors.Join(l.UnixListener.Close(), removed)
	})
	return l.err
}
