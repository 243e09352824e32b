package store

import "golang.org/x/sys/unix"

// dropPages forgets the page table entries of a mapping. Nothing is lost: the
// mapping is of a file and only read.
func dropPages(addr uintptr, size int64) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, addr, uintptr(size), unix.MADV_DONTNEED)
}
