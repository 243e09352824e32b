package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes what was written durable, and of the file's attributes no more
// than its size.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
