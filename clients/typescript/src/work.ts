// What becomes of an item: what a handler gets, and what it may answer.
import { duration } from "./client.js";
import type { JsonObject, Key, LeaseItem, LeaseResult, Reason, Resource } from "./model.js";

/** What a handler gets: a resource as it was when it was handed out. */
export interface Work<Spec = unknown, Status = JsonObject> {
  key: Key;
  object: Resource<Spec, Status>;
  reasons: Reason[];
  /** Counts failures, from 1. */
  attempt: number;
  /**
   * Aborted when the result will not count any more: the lease is lost, because
   * the sidecar was restarted or away for too long, and the key comes back; or
   * the worker was stopped and its grace is over.
   */
  signal: AbortSignal;
  /** Aborted when the worker was told to stop: a long handler may end early. */
  stopping: AbortSignal;
}

/** What a handler returns that has more to say than a status. */
export class Result {
  readonly status: JsonObject | undefined;
  /**
   * Look at the resource again after so many milliseconds. A deletion that
   * returns it is not confirmed yet.
   */
  readonly requeueAfter: number | undefined;

  constructor({ status, requeueAfter }: { status?: JsonObject; requeueAfter?: number } = {}) {
    this.status = status;
    this.requeueAfter = requeueAfter;
  }
}

export interface FailureOptions {
  /** false gives the key up until it changes. */
  retry?: boolean;
  /** In place of the usual, rising delay; milliseconds. */
  requeueAfter?: number;
  /** What the source is told. */
  status?: JsonObject;
}

/** Thrown by a handler that has more to say than that it failed. */
export class Failure extends Error {
  override readonly name = "Failure";

  constructor(detail: string, readonly options: FailureOptions = {}) {
    super(detail);
  }
}

export type Returned = Result | JsonObject | void | undefined;

/** What to do with one item, as a result of its lease. @internal */
export type Step = (work: Work) => Promise<LeaseResult>;

/** Hands an item back unhandled: it is ready at once, and no failure counts. @internal */
export const returned: LeaseResult = { result: "done", requeueAfter: "1ms" };

/** Hands an item back whose handler was begun and will not finish. @internal */
export const stopped: LeaseResult = {
  result: "failed", requeueAfter: "1ms", error: "the app stopped before its handler was done",
};

/** The result of a reconcile: a status, a Result, or just done. @internal */
export function readStatus(value: Returned): LeaseResult {
  if (value === undefined) return {};
  if (value instanceof Result) return fields(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError("a handler returns a status (an object), a Result or nothing");
  }
  return { status: value };
}

/** The result of a cleanup: confirmed, unless it asks to come back. @internal */
export function readDeletion(value: Returned): LeaseResult {
  const result = readStatus(value);
  return result.requeueAfter === undefined ? { ...result, deleted: true } : result;
}

/** The result of a source's handler, which has no status to report. @internal */
export function readRequeue(value: Returned): LeaseResult {
  const result = readStatus(value);
  if (!result.status) return result;
  throw new TypeError("a source reports no status: its handlers return a Result with requeueAfter, or nothing");
}

function fields({ status, requeueAfter }: { status?: JsonObject | undefined; requeueAfter?: number | undefined }): LeaseResult {
  return { ...(status && { status }), ...(requeueAfter !== undefined && { requeueAfter: duration(Math.max(requeueAfter, 1)) }) };
}

/** The result of a handler that threw. @internal */
export function failed(error: unknown): LeaseResult {
  const result: LeaseResult = { result: "failed", error: describe(error) };
  if (!(error instanceof Failure)) return result;
  return { ...result, ...fields(error.options), ...(error.options.retry === false && { retry: false }) };
}

function describe(error: unknown): string {
  if (error instanceof Failure) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** One string for each key. @internal */
export function nameOf({ dataType, source, cluster, id }: Key): string {
  return [dataType, source, cluster, id].join("/");
}

/** The work of an item whose resource is there. @internal */
export function workOf(item: LeaseItem, object: Resource, signal: AbortSignal, stopping: AbortSignal): Work {
  const { key, reasons, attempt } = item;
  return { key, object, reasons, attempt, signal, stopping };
}
