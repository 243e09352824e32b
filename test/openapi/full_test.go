//go:build !lite

package openapi_test

// buildTags are those of the sidecar that is tested.
const buildTags = ""
