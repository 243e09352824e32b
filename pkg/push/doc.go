// Package push hands the work of a queue to apps by calling them: a handler
// leases an item, posts it to its app's URL, and gives the app's answer back as
// the result (docs/push.md).
//
// A tour: [Push] keeps the handlers that run equal to those that are set;
// runner.go is one handler, with as many workers as it may have calls; call.go
// makes one call and says what came of it; gate.go and probe.go hold a handler
// back while its app cannot be reached; event.go is the form of a CloudEvent.
//
// # Promises
//
// Order is the queue's: calls about one key follow each other, calls about
// different keys run side by side, up to the handler's concurrency. A lease
// covers its call, so nobody else is called with the key meanwhile, unless the
// app goes on working after its time was over or its connection closed.
//
// An item is never lost: what was not answered comes back. An app that cannot
// be reached costs its keys nothing: their leases are returned, no failure is
// counted, nothing is taken until the app can be reached again, and it is
// looked for at most half a second apart.
//
// Everything is bounded: calls by their timeout, answers by the codec's limit,
// workers by the concurrency. When Run's context ends nothing more is taken;
// calls under way have the grace time to end, then they are cut and their
// leases returned. A handler that is changed or taken away ends likewise, but
// its calls have their whole timeout.
//
// Headers, items and answers are in no log.
package push
