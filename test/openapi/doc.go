// Package openapi holds what a server of the local API says against
// pkg/localapi/openapi.yaml. The tests of pkg/localapi check every answer that
// they get with it; its own tests check the document, and the answers of a
// sidecar with a broker.
//
// It is stricter than a client must be: a field, a status, a content type or a
// header that the document does not have is an error.
package openapi
