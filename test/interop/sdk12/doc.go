// Package sdk12 plays the stories with the clients of the OCM SDK v1.2.0
// (open-cluster-management.io/sdk-go): its generic clients, and its ManifestWork
// clients.
package sdk12
