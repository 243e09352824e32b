// Package fleet is a small application on top of the generic clients of an OCM
// SDK: a source that declares devices, an agent that runs them. It has what
// such an application brings along (a memory, a retry of failed publishes, the
// rules by which events change the memory) and leaves to the SDK what is the
// SDK's: events, topics, connections and resync.
//
// It imports no SDK: a module for each version of it hands in a Connector.
package fleet
