// Package queue is a controller's work queue that many callers may share: it
// holds keys, hands them out under leases, and takes back what was not
// answered in time.
//
// A key is in one place at a time: ready, waiting for a time to come, or
// leased. However often it is added it is ready once, and it is never leased
// twice at a time: an Add during a lease brings the key back after the answer.
//
//	Add ──► ready ──Lease──► leased ──Claim──► claimed ──Done──► gone
//	          ▲ ▲              │ lapsed,          │ Retry, Later
//	          │ └──────────────┘ returned         ▼
//	          └──────────────────────────────── waiting
//
// Ordering: ready keys are handed out in the order in which they became ready.
// A caller that leaves a key for others does not stop those behind it. Callers
// that wait are served in the order in which they came.
//
// Blocking: only Lease waits, until its context ends. Everything else holds
// the queue's lock for a step that is constant or logarithmic in the number of
// keys; Add hands a key to a waiting caller by itself, so that nobody is woken
// for nothing. An Add that nobody who waits wants has asked each of them.
//
// A prepare function runs under the queue's lock, on the goroutine of whoever
// made the key ready. So it must be quick and must not call the queue, and a
// lock that it takes must not be held by anyone who calls the queue.
//
// Nothing here is durable: the caller adds after a restart what was not done.
package queue
