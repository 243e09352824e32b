// Package layout holds no code: its tests keep the architecture of the
// repository true (docs/architecture.md).
package layout
