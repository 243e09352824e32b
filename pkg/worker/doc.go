// Package worker runs a command for each item of a work queue: what `sidecar
// lease -- CMD` is made of (docs/api.md, "Shell workers").
//
// # Promises
//
// As many commands run at a time as Options.Concurrency says, and never two for
// the same key. Work is taken only when there is a place to run it, so that no
// item waits. A lease is extended for as long as its command runs; its result is
// given after the command has ended, and repeated while the sidecar is away and
// the lease may still be alive. Work is done at least once: a worker that is
// killed, or whose lease is lost, has its item handed out again.
//
// [Run] blocks until there is nothing more to do or its context has ended and
// all commands with it. Each command is a process group of its own, which gets
// SIGTERM when its time is over, and SIGKILL a while after that.
package worker
