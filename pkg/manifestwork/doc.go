// Package manifestwork holds what the engine has to know of ManifestWorks
// (docs/works.md): their data types, ids and metadata, the hash of their
// status, and what makes one valid. The rules are those of the OCM SDK, see
// docs/protocol.md, "ManifestWork on top".
//
// It is pure, works on JSON and needs no Kubernetes library: the engine uses it
// with and without the Kubernetes API, which is pkg/workapi.
package manifestwork
