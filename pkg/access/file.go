package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The names of our own files in state.dir, as Kubernetes names the like.
const (
	caFile    = "ca.crt"
	caKeyFile = "ca.key"
	certFile  = "tls.crt"
	keyFile   = "tls.key"
	tokenFile = "token"
)

// Modes: what proves who one is, is for its owner only.
const (
	secretMode fs.FileMode = 0o600
	publicMode fs.FileMode = 0o644
)

// maxFileBytes bounds what is read of a file.
const maxFileBytes = 1 << 20

// readFile reads a regular file: a pipe could block for ever.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxFileBytes)
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}

// writeFile puts a file in place as a whole: whoever reads it sees all of it,
// and a power cut leaves the one before or the new one.
func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
