// The nouns of the local API (docs/api.md, A resource, Watching, Queues), as the
// sidecar writes them. Times are RFC 3339 strings. Fields that this version does
// not know are there, too, but have no type.
export {};
