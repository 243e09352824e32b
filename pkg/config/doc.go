// Package config reads the sidecar's settings: one strict YAML file (docs/api.md,
// Configuration) and the files that it names, with every default filled in,
// every fault told with its line, and changes taken over while running.
//
// A Config is complete and never changes after Load has returned it: passwords
// and certificates are read with it, so that two of them can be compared
// (Immutable, NeedsReconnect) and nothing is read from disk later. Secrets
// print as "[redacted]", and no error or warning holds one.
//
// Load takes the whole configuration or nothing. It reports all faults at
// once, one line each, as FILE:LINE: what is wrong and what to do about it.
// It reads regular files of bounded size only, and so never blocks.
//
// A Watcher gives changes to its caller one at a time, in the order in which
// they were seen, from the goroutine of Run: while one is being applied no
// other is read. Of several changes in quick succession only the last is
// certain to be seen. A change that is not valid, or is not taken, leaves the
// configuration before it in effect.
package config
