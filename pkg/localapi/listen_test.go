package localapi_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/pkg/localapi"
	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
)

func listen(t *testing.T, path string, mode fs.FileMode) net.Listener {
	t.Helper()
	l, err := localapi.Listen(path, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestTheModeIsWhatWasAskedWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		for _, mode := range []fs.FileMode{0o600, 0o660, 0o666} {
			path := apitest.Socket(t)
			old := syscall.Umask(umask)
			l, err := localapi.Listen(path, mode)
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			if got := modeOf(t, path); got != mode|fs.ModeSocket {
				t.Errorf("umask %o: mode %v, want %v", umask, got, mode|fs.ModeSocket)
			}
			_ = l.Close()
		}
	}
}

func TestTheFolderIsMadeIfMissing(t *testing.T) {
	path := filepath.Join(filepath.Dir(apitest.Socket(t)), "a", "b", "s.sock")
	listen(t, path, 0o600)
	if got := modeOf(t, filepath.Dir(path)); got.Perm()&^0o755 != 0 {
		t.Errorf("folder %v", got)
	}
}

func TestASocketThatIsLeftOverIsReplaced(t *testing.T) {
	path := apitest.Socket(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	if !exists(path) {
		t.Fatal("there is nothing left over")
	}
	l := listen(t, path, 0o600)
	go func() { _, _ = l.Accept() }()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestASocketInUseIsNot(t *testing.T) {
	path := apitest.Socket(t)
	listen(t, path, 0o600)
	if _, err := localapi.Listen(path, 0o600); !errors.Is(err, localapi.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want ErrInUse with the path", err)
	}
	if !exists(path) {
		t.Error("the socket was removed")
	}
}

func TestOfTwoThatStartAtOnceOneListens(t *testing.T) {
	for range 20 {
		path := apitest.Socket(t)
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		_ = dead.Close()
		var all sync.WaitGroup
		made := make(chan net.Listener, 4)
		for range cap(made) {
			all.Go(func() {
				if l, err := localapi.Listen(path, 0o600); err == nil {
					made <- l
				} else if !errors.Is(err, localapi.ErrInUse) {
					t.Errorf("error %v", err)
				}
			})
		}
		all.Wait()
		close(made)
		if len(made) != 1 {
			t.Errorf("%d listen", len(made))
		}
		for l := range made {
			_ = l.Close()
		}
	}
}

func TestWhatIsNotASocketIsNeverTouched(t *testing.T) {
	folder := filepath.Dir(apitest.Socket(t))
	file, link, sub := filepath.Join(folder, "file"), filepath.Join(folder, "link"), filepath.Join(folder, "sub")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(file, link), os.Mkdir(sub, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, sub} {
		if _, err := localapi.Listen(path, 0o600); err == nil || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if data, _ := os.ReadFile(file); string(data) != "precious" {
		t.Errorf("the file holds %q", data)
	}
}

func TestASocketOfAnotherKindIsNotReplaced(t *testing.T) {
	path := apitest.Socket(t)
	packets, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	if _, err := localapi.Listen(path, 0o600); err == nil || errors.Is(err, localapi.ErrInUse) {
		t.Errorf("error %v", err)
	}
	if !exists(path) {
		t.Error("the socket was removed")
	}
}

func TestPathsThatCannotBe(t *testing.T) {
	folder := filepath.Dir(apitest.Socket(t))
	long := filepath.Join(folder, strings.Repeat("x", localapi.MaxSocketPath-len(folder)-1))
	for path, want := range map[string]string{"": "empty", "@abstract": "file", "a\x00b": "file", long + "x": "107"} {
		if _, err := localapi.Listen(path, 0o600); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", path, err)
		}
	}
	listen(t, long, 0o600)
}

func TestCloseRemovesOwnSocketOnly(t *testing.T) {
	path := apitest.Socket(t)
	l := listen(t, path, 0o600)
	if err := l.Close(); err != nil || exists(path) {
		t.Errorf("closed: %v, socket is there: %v", err, exists(path))
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}

	l = listen(t, path, 0o600)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := listen(t, path, 0o600)
	if err := l.Close(); err != nil || !exists(path) {
		t.Errorf("closed: %v; the other's socket is there: %v", err, exists(path))
	}
	_ = other.Close()
}
