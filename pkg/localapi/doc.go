// Package localapi serves the local API: HTTP/1.1 over a Unix socket, as
// docs/api.md describes it. It decodes requests strictly, asks its [Backend],
// and encodes answers; it holds no state of its own but the count of watchers.
//
// A tour: [Server.Routes] is the one table of calls; problem.go is the one
// table from error code to HTTP status; decode.go and encode.go are JSON both
// ways; [Listen] makes the socket and [Server.Serve] the connections on it.
//
// # Promises
//
// A call answers when the backend has answered: what a write was told is as
// durable as the backend made it. Calls on different connections run
// concurrently and are not ordered; a watch writes events in the order in which
// the backend sends them.
//
// An apply reads its body line by line and hands it on in batches: neither side
// ever holds all of it, and the answer comes after the last line. Watches that
// write the same long line share it.
//
// Nothing waits without bound: a request's header must arrive within 5 s and
// its body within 30 s (that of an apply must not stand still for so long), an
// answer is given up when the peer has not taken it for 30 s, a connection
// without a request is closed after 2 minutes, and long polls and watches end
// with their connection and with the server.
//
// # Who may call
//
// The mode of the socket says who may connect. With allowedUIDs, the peer's uid
// (SO_PEERCRED, as the kernel recorded it at connect) must be listed besides.
// Nobody is special: neither root nor the sidecar's own uid is let in unless it
// is listed, so list the latter where `sidecar ready` is an exec probe.
package localapi
