// Package story holds the interoperability stories, written once and told by
// every pairing of an SDK's peers with the sidecar's: what a source and an
// agent live through together, whoever plays them.
//
// A story is a function of a World. Tell tells each through every broker and in
// its pairings, the SDK with itself included: that one proves the story and
// the harness, so that a failure of another pairing is a disagreement between
// the sidecar and the SDK.
package story
