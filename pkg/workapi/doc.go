// Package workapi serves work.open-cluster-management.io/v1 from the store of a
// sidecar, with k8s.io/apiserver as a library, so that kubectl and the
// Kubernetes clients of every language work against a sidecar as they do
// against a hub (docs/works.md). No cluster and no etcd is behind it.
//
//	server.go api.go scheme.go  the handler: made at the first request
//	authorize.go strategy.go    what a role may do, what is valid
//	decode.go                   what can be read
//	schema.go openapi.go        the schema of the CRD: defaults, rules, models
//	rest.go namespaces.go       the resources
//	table.go                    what kubectl get shows
//	storage*.go                 k8s.io/apiserver's storage, over the store
//	hub.go names.go ring.go     one reader of the store's changes for all watchers
//	follow.go past.go pace.go   a watcher
//	codec.go payload.go         record ⇄ ManifestWork
//	raw*.go parts.go shared.go  what is written without taking it apart, or once for many
//
// The store is the truth. Reads come from it, writes go through the engine, and
// what is kept here is an index of names and labels and the last changes. So
// memory grows with the number of works, not with their size, and nothing of it
// exists before the first request.
//
// Promises. A resourceVersion is a revision of the store, which survives
// restarts: a watcher resumes where it was, within the history that the store
// keeps, and is told 410 beyond it. It moves when the object changes, not when
// the event about it travels. Changes of one work come in order, each with the
// newest state; of several that follow each other at once only the last may be
// seen. A write is durable when it is answered, and who reads after it sees it.
// A watcher that reads slowly holds up nobody. No call blocks a commit.
package workapi
