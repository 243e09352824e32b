//go:build !lite

package examples_test

// buildTags are those of the sidecar that is tested.
const buildTags = ""
