package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFileBytes bounds every file that is read.
const maxFileBytes = 1 << 20

var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = errors.New("is too large")
	errEmpty      = errors.New("is empty")
)

// readFile reads a regular file of at most maxFileBytes. Others are refused,
// because reading a pipe or a device may never return. Errors do not repeat
// the path.
func readFile(path string) ([]byte, fs.FileMode, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	if len(data) > maxFileBytes {
		return nil, 0, fmt.Errorf("%w: the limit is %d bytes", errTooLarge, maxFileBytes)
	}
	return data, info.Mode(), nil
}

func withoutPath(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
