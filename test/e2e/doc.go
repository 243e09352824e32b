// Package e2e holds the failure stories: the built sidecar, as processes that
// are killed, starved and misconfigured, with real apps on both sockets, over
// the embedded broker and over mosquitto. They are tests with the build tag
// e2e (make e2e), because they take minutes.
//
// Every story ends with the same questions (world.settle): is everything
// delivered to its last version, has each status come back, and has any app
// been shown a version that went backwards, a key leased twice at a time, or an
// acknowledged write that was lost?
package e2e
