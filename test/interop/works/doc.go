// Package works is what the stories of ManifestWorks have in common, whatever the
// version of the OCM SDK: a work and what is wanted of it, the SDK's client as a
// peer, and the sidecar as a hub or a work agent sees it through the Kubernetes
// API. It is a module of its own for the same reason as devices: it asks for the
// oldest version, and a module that has a newer one gets that.
package works
