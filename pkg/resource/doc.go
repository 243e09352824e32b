// Package resource holds the nouns that every other package speaks: the key of
// a resource, its data type, the resource itself as the local API shows it, the
// requests that change it, and the errors that a caller decides on.
//
// It is pure: no goroutines, no files, no network, and it imports no other
// package of this module.
package resource
