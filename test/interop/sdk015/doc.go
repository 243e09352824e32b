// Package sdk015 plays the stories with the clients of the OCM SDK v0.15.0
// (open-cluster-management.io/sdk-go): its generic clients, and its ManifestWork
// clients.
//
// What the ManifestWork clients of that version do not do, and the stories
// therefore do not ask for:
//
//   - The agent's client reads no metadata of an event. It knows a work by its
//     resource id, which is the UID at the source: that is its name. It sees no
//     labels and annotations, no generation and no creationTimestamp, and drops
//     the executor of a spec.
//   - It sends no metadata and no hash with a status: the source has to compute
//     the hash that such an agent would.
//   - Only a newer version changes a work that it has.
//   - The source's client has the data type manifestbundles only, and drops the
//     executor too.
//   - It forgets a work that was deleted before a status came, at once.
//   - Both keep what they know in memory: after a restart the agent knows
//     nothing, and the source what its app gives it.
package sdk015
