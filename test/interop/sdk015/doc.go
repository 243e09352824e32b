// Package sdk015 plays the stories with the generic clients of the OCM SDK
// v0.15.0 (open-cluster-management.io/sdk-go).
package sdk015
