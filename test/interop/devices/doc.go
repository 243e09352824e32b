// Package devices is how the generic clients of an OCM SDK see the devices of
// the stories: as objects, written and read by a codec. It is a module of its
// own because it compiles with every version of the SDK: it asks for the
// oldest, and a module that has a newer one gets that.
package devices
