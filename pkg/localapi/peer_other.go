//go:build !linux

package localapi

import "net"

// peerOf knows nobody: with api.allowedUIDs everyone is refused.
func peerOf(net.Conn) peer { return peer{} }
