package localapi

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who was at the other end when it connected
// (SO_PEERCRED, unix(7)).
func peerOf(c net.Conn) (p peer) {
	if _, ok := c.(*net.UnixConn); !ok {
		return p
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return p
	}
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			p = peer{uid: cred.Uid, known: true}
		}
	})
	return p
}
