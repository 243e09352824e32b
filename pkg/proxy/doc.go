// Package proxy is the engine of a sidecar, as a source or as an agent. It
// keeps two sides equal to the store: the app, which it serves through the
// interfaces of the local API, and the broker.
//
//	receive.go          events → one commit → acknowledged, in order
//	source*.go agent*.go what a role does with specs and statuses
//	outbox.go flight.go  marks on resources: what waits, and what is on its way
//	sender.go            marks → events, newest state only
//	answer.go            resync requests of the other side, off the receive path
//	ask.go               our own resync requests, asked until they have met someone
//	work.go              the work queue of the app
//	read.go              views of the store
//	apply.go merge.go    many resources at once, and merge patches
//	watch.go feed.go     watchers, and the changes that they share
//	trace.go             what log.level debug shows of all that
//	session.go proxy.go  one connection; what runs, and in which order it stops
//
// Promises. Nothing is told to anyone before it is on disk: an answer to the
// app, an event, an acknowledgement all follow the commit. Events about one
// resource leave in order, one at a time, and always carry the newest state,
// read from the store at the moment of sending; different resources may
// overtake each other. Peers (the clusters of a source, the sources of an
// agent) take turns. The calls of the local API block for their commit only.
package proxy
