import { Endpoint, type EndpointOptions } from "./endpoint.js";
import { ApplyError, SidecarError, fromProblem } from "./errors.js";
import type {
  ApplyResult, At, DeadItem, Declaration, JsonObject, Key, LeaseItem, LeaseResult, Page, QueueStats, Resource, State,
} from "./model.js";
import { Tries, sleep } from "./retry.js";
import { type Answer, type Call, Pieces, Transport, isObject } from "./transport.js";
import { Watch, type WatchOptions } from "./watch.js";

const pieceSize = 64 << 10; // characters
const mergePatch = "application/merge-patch+json";
const applyTime = 300_000; // ms

export interface ClientOptions extends EndpointOptions {
  /** How long a call is repeated, in milliseconds (30,000). */
  retryFor?: number;
  /** How long the sidecar has for an answer, in milliseconds (30,000). */
  timeout?: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call; whether a write was taken is then not known. */
  signal?: AbortSignal;
}

/** What every write takes. */
export interface WriteOptions extends CallOptions {
  /** Answer when this state is reached: deadline_exceeded if it is not in time, and the write stays. */
  wait?: "published" | "observed";
  /** For wait, in milliseconds (30,000). */
  waitFor?: number;
  /** A revision: precondition_failed if the resource has changed since. */
  ifMatch?: string;
}

export interface PutOptions extends WriteOptions {
  metadata?: JsonObject;
  /** A floor for the version, not a guard. */
  version?: number;
  /** Of a spec of bytes. */
  contentType?: string;
  /** Only if there is none. */
  ifNoneMatch?: boolean;
}

export interface StatusOptions extends WriteOptions {
  /** The version of the spec that the status is about; by default the one held. */
  version?: number;
  /** Merge into the status held (RFC 7386). */
  merge?: boolean;
}

export interface ListOptions extends CallOptions {
  dataType?: string;
  cluster?: string;
  source?: string;
  state?: State;
  /** Items a page. */
  limit?: number;
}

export interface LeaseOptions extends CallOptions {
  queue?: string;
  /** Items, 1 to 1000. */
  max?: number;
  /** How long to wait for the first one, in milliseconds, up to a minute. */
  wait?: number;
  /** How long they are yours, in milliseconds, from a second to an hour. */
  leaseFor?: number;
  dataTypes?: string[];
}

/**
 * Calls one sidecar: that of the options, else of the environment, as the
 * sidecar's own commands do ($SIDECAR_SERVER with $SIDECAR_CA_FILE and
 * $SIDECAR_TOKEN_FILE, else $SIDECAR_SOCKET, else /run/sidecar/sidecar.sock).
 *
 * A call that gets no answer, or 429, 503 or 408, is made again for up to
 * retryFor: all calls may be repeated as they are, and a sidecar may start after
 * its app. Only a write with ifMatch or ifNoneMatch, and an apply, are not
 * repeated once they may have been taken, an apply not once its items were read. Errors are SidecarError.
 */
export class Client {
  /** @internal */
  readonly transport: Transport;
  readonly #retryFor: number;

  constructor(options: ClientOptions = {}) {
    this.transport = new Transport(new Endpoint(options), options.timeout ?? 30_000);
    this.#retryFor = options.retryFor ?? 30_000;
  }

  /** Closes all connections. */
  close(): void {
    this.transport.endpoint.close();
  }

  async #do(call: Call): Promise<Answer> {
    const tries = new Tries(call, this.#retryFor);
    for (;;) {
      try {
        return await this.transport.send(call);
      } catch (error) {
        if (tries.wasTaken(error)) return { status: 200, body: {} };
        if (call.pieces?.begun) throw error;
        await sleep(tries.pause(error), call.signal);
        call.signal?.throwIfAborted();
      }
    }
  }

  async #get<T>(call: Call): Promise<T> {
    const { status, body } = await this.#do(call);
    if (!isObject(body)) throw fromProblem(body, status);
    return body as T;
  }

  /** One resource. */
  get<Spec = unknown>(at: At, options: CallOptions = {}): Promise<Resource<Spec>> {
    return this.#get({ method: "GET", path: resourcePath(at), query: { source: at.source }, ...options });
  }

  /**
   * Every resource that fits, in pages of limit. All are of one snapshot;
   * expired if it lapses in between (30 s after the last page).
   */
  async *list<Spec = unknown>(options: ListOptions = {}): AsyncGenerator<Resource<Spec>> {
    let cursor: string | undefined;
    do {
      const page: Page<Spec> = await this.page<Spec>(options, cursor);
      yield* page.items;
      cursor = page.continue;
    } while (cursor);
  }

  /** One page of a list, with the revision from which a watch goes on. */
  page<Spec = unknown>({ signal, ...query }: ListOptions = {}, cursor?: string): Promise<Page<Spec>> {
    return this.#get({ method: "GET", path: "/v1/resources", query: { ...query, continue: cursor || undefined }, signal });
  }

  /** Declares a resource at a source; nothing happens if it is so already. A spec of bytes needs a contentType. */
  put<Spec = unknown>(at: At, spec: Spec | Uint8Array, options: PutOptions = {}): Promise<Resource<Spec>> {
    const body = { ...specFields(spec, options.contentType), metadata: options.metadata, version: options.version };
    const ifNoneMatch = options.ifNoneMatch ? { "If-None-Match": "*" } : {};
    return this.#get(write("PUT", at, options, { body: JSON.stringify(body) }, ifNoneMatch));
  }

  /** Merges into a resource at a source (RFC 7386): { spec: {…} }. */
  patch<Spec = unknown>(at: At, merge: JsonObject, options: WriteOptions = {}): Promise<Resource<Spec>> {
    return this.#get(write("PATCH", at, options, { body: JSON.stringify(merge), contentType: mergePatch }));
  }

  /** Reports a status at an agent. */
  setStatus<Spec = unknown>(at: At, status: JsonObject, options: StatusOptions = {}): Promise<Resource<Spec>> {
    const how = options.merge ? { contentType: mergePatch } : {};
    const call = write(options.merge ? "PATCH" : "PUT", at, options, { body: JSON.stringify(status), ...how });
    return this.#get({ ...call, path: resourcePath(at, "status"), query: { ...call.query, version: options.version } });
  }

  /**
   * Asks for deletion at a source; confirms it at an agent. The resource while
   * its deletion lasts, null when it is gone; wait: "observed" waits for that.
   * force forgets it at once.
   */
  async delete<Spec = unknown>(at: At, options: WriteOptions & { force?: boolean } = {}): Promise<Resource<Spec> | null> {
    const call = write("DELETE", at, options, { goneIsDone: true });
    const { status, body } = await this.#do({ ...call, query: { ...call.query, force: options.force } });
    return status === 202 ? (body as Resource<Spec>) : null;
  }

  /** Forgets every resource of a cluster that is no more; how many. */
  async deleteCluster(cluster: string, options: CallOptions = {}): Promise<number> {
    const query = { cluster, force: true };
    return (await this.#get<{ deleted: number }>({ method: "DELETE", path: "/v1/resources", query, ...options })).deleted;
  }

  /**
   * Declares many in one go, streamed. prune deletes what is in its scope and
   * not among the items. Throws ApplyError, with the result, if items failed.
   */
  async apply(
    items: Iterable<Declaration> | AsyncIterable<Declaration>,
    { prune, signal }: CallOptions & { prune?: { dataType: string; cluster: string } } = {},
  ): Promise<ApplyResult> {
    const { status, body } = await this.#do({
      method: "POST", path: "/v1/resources/apply", query: prune ? { prune: true, ...prune } : {},
      pieces: new Pieces(applyLines(items, prune !== undefined)), contentType: "application/x-ndjson",
      waits: applyTime, once: true, signal,
    });
    if (!isObject(body)) throw fromProblem(body, status);
    const result = { applied: 0, unchanged: 0, deleted: 0, failed: 0, errors: [], ...body } satisfies ApplyResult;
    if (status === 422) throw new ApplyError(result);
    return result;
  }

  /** Changes as they happen; see Watch. */
  watch<Spec = unknown>(options: WatchOptions = {}): Watch<Spec> {
    return new Watch<Spec>(this.transport, options);
  }

  /** Takes work from a queue. */
  async lease<Spec = unknown>(options: LeaseOptions = {}): Promise<LeaseItem<Spec>[]> {
    return (await this.#get<{ items: LeaseItem<Spec>[] }>({ ...leaseCall(options), signal: options.signal })).items;
  }

  /** Ends a lease with a result; {} is done. not_found if it was answered or has lapsed: nothing was changed. */
  async answer(lease: string, result: LeaseResult = {}, options: CallOptions = {}): Promise<void> {
    await this.#do({ ...answerCall(lease, result), ...options });
  }

  /** Keeps a lease for so many milliseconds from now, and may report a status. */
  async extend(lease: string, leaseFor = 60_000, status?: JsonObject): Promise<void> {
    await this.#do(extendCall(lease, leaseFor, status));
  }

  /** The state of every queue. */
  async queues(): Promise<QueueStats[]> {
    return (await this.#get<{ items: QueueStats[] }>({ method: "GET", path: "/v1/queues" })).items;
  }

  /** The state of one queue. */
  queue(name = "resources"): Promise<QueueStats> {
    return this.#get({ method: "GET", path: pathOf("v1", "queues", name) });
  }

  /** The keys that were given up. */
  async dead(queue = "resources"): Promise<DeadItem[]> {
    return (await this.#get<{ items: DeadItem[] }>({ method: "GET", path: pathOf("v1", "queues", queue, "dead") })).items;
  }

  /** Brings a dead key back, or all; how many. */
  async retryDead(key?: Key | At, queue = "resources"): Promise<number> {
    const path = pathOf("v1", "queues", queue, "dead", "retry");
    return (await this.#get<{ retried: number }>({ method: "POST", path, body: oneOrAll(key) })).retried;
  }

  /** Puts a key into the queue again, or all, for an app that has lost its memory; how many. */
  async requeue(key?: Key | At, queue = "resources"): Promise<number> {
    const path = pathOf("v1", "queues", queue, "requeue");
    return (await this.#get<{ requeued: number }>({ method: "POST", path, body: oneOrAll(key) })).requeued;
  }

  /** Asks the other side again, now. */
  async resync(scope: { cluster?: string; source?: string } = {}): Promise<void> {
    await this.#do({ method: "POST", path: "/v1/resync", body: JSON.stringify(scope) });
  }

  /** Says that everything in that scope is declared (docs/api.md, No deletion storm). */
  async synced(scope: { dataType?: string; cluster?: string } = {}): Promise<void> {
    await this.#do({ method: "POST", path: "/v1/synced", body: JSON.stringify(scope) });
  }

  /** The state of the sidecar, as GET /v1/status has it. */
  status(): Promise<JsonObject> {
    return this.#get({ method: "GET", path: "/v1/status" });
  }
}

/** @internal */
export function leaseCall({ queue = "resources", max = 1, wait = 0, leaseFor = 60_000, dataTypes = [] }: LeaseOptions): Call {
  const body = { max, wait: duration(wait), leaseFor: duration(leaseFor), dataTypes };
  return { method: "POST", path: pathOf("v1", "queues", queue, "lease"), body: JSON.stringify(body), waits: wait };
}

/** @internal */
export function answerCall(lease: string, result: LeaseResult): Call {
  return { method: "POST", path: pathOf("v1", "leases", lease), body: JSON.stringify(result), goneIsDone: true };
}

/** @internal */
export function extendCall(lease: string, leaseFor: number, status?: JsonObject): Call {
  const result: LeaseResult = { result: "extend", leaseFor: duration(leaseFor), ...(status && { status }) };
  return { ...answerCall(lease, result), goneIsDone: false };
}

/** A duration in Go's notation, exact to the microsecond. @internal */
export function duration(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}us`;
}

// A path of segments, each percent-encoded as a whole.
function pathOf(...segments: string[]): string {
  return segments.map((segment) => "/" + encodeURIComponent(segment)).join("");
}

function resourcePath({ dataType, cluster, id }: At, ...more: string[]): string {
  return pathOf("v1", "resources", dataType, cluster, id, ...more);
}

// A write with a precondition is not repeated when it may have been taken: its
// own first try would make the second one fail.
function write(method: string, at: At, options: WriteOptions, more: Partial<Call>, guard: Record<string, string> = {}): Call {
  const headers = { ...guard, ...(options.ifMatch !== undefined && { "If-Match": `"${options.ifMatch}"` }) };
  const waitFor = options.wait ? (options.waitFor ?? 30_000) : 0;
  const query = { source: at.source, ...(options.wait && { wait: options.wait, timeout: duration(waitFor) }) };
  const once = Object.keys(headers).length > 0;
  return { method, path: resourcePath(at), query, headers, waits: waitFor, once, signal: options.signal, ...more };
}

// A spec of bytes travels as base64 and needs its content type.
function specFields(spec: unknown, contentType?: string): JsonObject {
  if (!(spec instanceof Uint8Array)) return { spec };
  if (!contentType) throw new SidecarError("invalid_argument", "a spec of bytes needs contentType");
  return { specBase64: Buffer.from(spec).toString("base64"), contentType };
}

function oneOrAll(key?: At): string {
  if (!key) return `{"all":true}`;
  const { dataType, cluster, id, source } = key;
  return JSON.stringify({ key: { dataType, cluster, id, source } });
}

// The body of an apply. A prune ends with the count, so that a body that was cut
// off deletes nothing.
async function* applyLines(items: Iterable<Declaration> | AsyncIterable<Declaration>, prune: boolean): AsyncGenerator<string> {
  let piece = "";
  let count = 0;
  for await (const item of items) {
    count++;
    piece += JSON.stringify(item) + "\n";
    if (piece.length < pieceSize) continue;
    yield piece;
    piece = "";
  }
  if (prune) piece += JSON.stringify({ end: true, items: count }) + "\n";
  if (piece) yield piece;
}
