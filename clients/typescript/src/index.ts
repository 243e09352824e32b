/**
 * Client of the Pillion sidecar's local API.
 *
 * Client makes the calls; Agent and Source are reconcile loops on the sidecar's
 * work queue. There are no dependencies but Node. Durations are milliseconds.
 *
 * @module
 */
export { Agent, type AgentHandlers } from "./agent.js";
export {
  Client, type CallOptions, type ClientOptions, type LeaseOptions, type ListOptions, type PutOptions, type StatusOptions,
  type WriteOptions,
} from "./client.js";
export type { EndpointOptions } from "./endpoint.js";
export { ApplyError, SidecarError, UnreachableError, UntrustedError, hasCode, type Code } from "./errors.js";
export type {
  ApplyResult, At, DeadItem, Declaration, FieldError, JsonObject, Key, LeaseItem, LeaseResult, Page, QueueStats,
  Reason, Resource, State, Sync, WatchEvent,
} from "./model.js";
export { Source, type SourceHandlers } from "./source.js";
export { Watch, type WatchOptions } from "./watch.js";
export { Failure, Result, type FailureOptions, type Returned, type Work } from "./work.js";
export { type RunOptions, Worker, type WorkerOptions } from "./worker.js";
