// The nouns of the local API (docs/api.md, A resource, Watching, Queues), as the
// sidecar writes them. Times are RFC 3339 strings. Fields that this version does
// not know are there, too, but have no type.

/** The identity of a resource. */
export interface Key {
  dataType: string;
  source: string;
  cluster: string;
  id: string;
}

/** What a call is about. At an agent source names one of two with the same id. */
export interface At {
  dataType: string;
  cluster: string;
  id: string;
  source?: string;
}

export type JsonObject = Record<string, unknown>;

export type State = "pending" | "published" | "observed" | "deleting";

/** How far a resource has travelled. */
export interface Sync {
  state: State;
  publishedVersion: number;
  publishedAt?: string;
  observedAt?: string;
  /** Why it does not go on, if it does not. */
  error: string;
}

/** A resource as it was when the sidecar answered. */
export interface Resource<Spec = unknown, Status = JsonObject> extends Key {
  version: number;
  /** Opaque: hand it back, do not compute with it. */
  revision: string;
  /** Missing if the spec is not JSON: then it is specBase64 with contentType. */
  spec: Spec;
  specBase64?: string;
  contentType?: string;
  metadata?: JsonObject;
  /** Set while the resource is being deleted. */
  deletionTimestamp: string | null;
  status?: Status;
  /** The version that status is about; 0 = none came yet. */
  statusVersion: number;
  sequenceID?: string;
  statusHash?: string;
  sync: Sync;
}

/** A part of a list. continue asks for the next one; "" after the last. */
export interface Page<Spec = unknown> {
  items: Resource<Spec>[];
  continue: string;
  revision: string;
}

/**
 * One line of a watch. RESTARTED is made up by the client: what follows up to
 * SYNCED is all that there is, so that what is not in it is gone.
 */
export type WatchEvent<Spec = unknown> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; resource: Resource<Spec> }
  | { type: "SYNCED" | "BOOKMARK"; revision: string }
  | { type: "RESTARTED" };

/** One item of an apply: a resource as put takes it. */
export interface Declaration {
  dataType: string;
  cluster: string;
  id: string;
  spec?: unknown;
  /** A spec that is not JSON; needs contentType. */
  specBase64?: string;
  contentType?: string;
  metadata?: JsonObject;
  version?: number;
  /** A revision. */
  ifMatch?: string;
}

/** A field at fault; pointer is a JSON pointer (RFC 6901). */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** What an apply did; errors are the first of the items that failed. */
export interface ApplyResult {
  applied: number;
  unchanged: number;
  deleted: number;
  failed: number;
  errors: { line: number; key?: Partial<Key>; code: string; detail: string }[];
}

/** A hint why a key is in the queue; decide by the object. */
export type Reason = "created" | "updated" | "deleting" | "deleted" | "status" | "retry" | "requeued";

/** A key with work to do. object is null if the resource is gone. */
export interface LeaseItem<Spec = unknown> {
  lease: string;
  key: Key;
  reasons: Reason[];
  /** Counts failures, from 1. */
  attempt: number;
  object: Resource<Spec> | null;
}

/** The result of a lease (docs/api.md, The result). Durations as in Go: "10s". */
export interface LeaseResult {
  result?: "done" | "failed" | "extend";
  requeueAfter?: string;
  leaseFor?: string;
  error?: string;
  retry?: boolean;
  status?: JsonObject;
  deleted?: boolean;
}

/** The state of a queue. */
export interface QueueStats {
  name: string;
  depth: number;
  inFlight: number;
  retrying: number;
  dead: number;
  oldestSeconds: number;
}

/** A key that was given up. */
export interface DeadItem {
  key: Key;
  reasons: Reason[];
  attempts: number;
  error: string;
  since: string;
}
