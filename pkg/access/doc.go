// Package access is what lets callers in over TCP: the certificate that the
// listener shows, and the token that it wants (docs/security.md).
//
// [Certificates] shows the certificate of the configuration, or one of its own,
// signed by a CA that is made once and kept, so that clients can pin it. [Token]
// is a file that is made if it is missing and read again when it changes.
//
// # Promises
//
// Files are written as a whole or not at all, keys and tokens for their owner
// only, and what is there is never replaced silently: a CA that cannot be read
// is an error. Nothing here blocks but on these files. All methods may be called
// from any goroutine; a handshake or a call sees either what was before a change
// or what came after. Keys and tokens are in no error and no log.
package access
