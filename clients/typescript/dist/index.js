/**
 * Client of the Pillion sidecar's local API.
 *
 * Client makes the calls; Agent and Source are reconcile loops on the sidecar's
 * work queue. There are no dependencies but Node. Durations are milliseconds.
 *
 * @module
 */
export { Agent } from "./agent.js";
export { Client, } from "./client.js";
export { ApplyError, SidecarError, UnreachableError, UntrustedError, hasCode } from "./errors.js";
export { Source } from "./source.js";
export { Watch } from "./watch.js";
export { Failure, Result } from "./work.js";
export { Worker } from "./worker.js";
