import { Endpoint } from "./endpoint.js";
import { ApplyError, SidecarError, fromProblem } from "./errors.js";
import { Tries, sleep } from "./retry.js";
import { Pieces, Transport, isObject } from "./transport.js";
import { Watch } from "./watch.js";
const pieceSize = 64 << 10; // characters
const mergePatch = "application/merge-patch+json";
const applyTime = 300_000; // ms
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
    transport;
    #retryFor;
    constructor(options = {}) {
        this.transport = new Transport(new Endpoint(options), options.timeout ?? 30_000);
        this.#retryFor = options.retryFor ?? 30_000;
    }
    /** Closes all connections. */
    close() {
        this.transport.endpoint.close();
    }
    async #do(call) {
        const tries = new Tries(call, this.#retryFor);
        for (;;) {
            try {
                return await this.transport.send(call);
            }
            catch (error) {
                if (tries.wasTaken(error))
                    return { status: 200, body: {} };
                if (call.pieces?.begun)
                    throw error;
                await sleep(tries.pause(error), call.signal);
                call.signal?.throwIfAborted();
            }
        }
    }
    async #get(call) {
        const { status, body } = await this.#do(call);
        if (!isObject(body))
            throw fromProblem(body, status);
        return body;
    }
    /** One resource. */
    get(at, options = {}) {
        return this.#get({ method: "GET", path: resourcePath(at), query: { source: at.source }, ...options });
    }
    /**
     * Every resource that fits, in pages of limit. All are of one snapshot;
     * expired if it lapses in between (30 s after the last page).
     */
    async *list(options = {}) {
        let cursor;
        do {
            const page = await this.page(options, cursor);
            yield* page.items;
            cursor = page.continue;
        } while (cursor);
    }
    /** One page of a list, with the revision from which a watch goes on. */
    page({ signal, ...query } = {}, cursor) {
        return this.#get({ method: "GET", path: "/v1/resources", query: { ...query, continue: cursor || undefined }, signal });
    }
    /** Declares a resource at a source; nothing happens if it is so already. A spec of bytes needs a contentType. */
    put(at, spec, options = {}) {
        const body = { ...specFields(spec, options.contentType), metadata: options.metadata, version: options.version };
        const ifNoneMatch = options.ifNoneMatch ? { "If-None-Match": "*" } : {};
        return this.#get(write("PUT", at, options, { body: JSON.stringify(body) }, ifNoneMatch));
    }
    /** Merges into a resource at a source (RFC 7386): { spec: {…} }. */
    patch(at, merge, options = {}) {
        return this.#get(write("PATCH", at, options, { body: JSON.stringify(merge), contentType: mergePatch }));
    }
    /** Reports a status at an agent. */
    setStatus(at, status, options = {}) {
        const how = options.merge ? { contentType: mergePatch } : {};
        const call = write(options.merge ? "PATCH" : "PUT", at, options, { body: JSON.stringify(status), ...how });
        return this.#get({ ...call, path: resourcePath(at, "status"), query: { ...call.query, version: options.version } });
    }
    /**
     * Asks for deletion at a source; confirms it at an agent. The resource while
     * its deletion lasts, null when it is gone; wait: "observed" waits for that.
     * force forgets it at once.
     */
    async delete(at, options = {}) {
        const call = write("DELETE", at, options, { goneIsDone: true });
        const { status, body } = await this.#do({ ...call, query: { ...call.query, force: options.force } });
        return status === 202 ? body : null;
    }
    /** Forgets every resource of a cluster that is no more; how many. */
    async deleteCluster(cluster, options = {}) {
        const query = { cluster, force: true };
        return (await this.#get({ method: "DELETE", path: "/v1/resources", query, ...options })).deleted;
    }
    /**
     * Declares many in one go, streamed. prune deletes what is in its scope and
     * not among the items. Throws ApplyError, with the result, if items failed.
     */
    async apply(items, { prune, signal } = {}) {
        const { status, body } = await this.#do({
            method: "POST", path: "/v1/resources/apply", query: prune ? { prune: true, ...prune } : {},
            pieces: new Pieces(applyLines(items, prune !== undefined)), contentType: "application/x-ndjson",
            waits: applyTime, once: true, signal,
        });
        if (!isObject(body))
            throw fromProblem(body, status);
        const result = { applied: 0, unchanged: 0, deleted: 0, failed: 0, errors: [], ...body };
        if (status === 422)
            throw new ApplyError(result);
        return result;
    }
    /** Changes as they happen; see Watch. */
    watch(options = {}) {
        return new Watch(this.transport, options);
    }
    /** Takes work from a queue. */
    async lease(options = {}) {
        return (await this.#get({ ...leaseCall(options), signal: options.signal })).items;
    }
    /** Ends a lease with a result; {} is done. not_found if it was answered or has lapsed: nothing was changed. */
    async answer(lease, result = {}, options = {}) {
        await this.#do({ ...answerCall(lease, result), ...options });
    }
    /** Keeps a lease for so many milliseconds from now, and may report a status. */
    async extend(lease, leaseFor = 60_000, status) {
        await this.#do(extendCall(lease, leaseFor, status));
    }
    /** The state of every queue. */
    async queues() {
        return (await this.#get({ method: "GET", path: "/v1/queues" })).items;
    }
    /** The state of one queue. */
    queue(name = "resources") {
        return this.#get({ method: "GET", path: pathOf("v1", "queues", name) });
    }
    /** The keys that were given up. */
    async dead(queue = "resources") {
        return (await this.#get({ method: "GET", path: pathOf("v1", "queues", queue, "dead") })).items;
    }
    /** Brings a dead key back, or all; how many. */
    async retryDead(key, queue = "resources") {
        const path = pathOf("v1", "queues", queue, "dead", "retry");
        return (await this.#get({ method: "POST", path, body: oneOrAll(key) })).retried;
    }
    /** Puts a key into the queue again, or all, for an app that has lost its memory; how many. */
    async requeue(key, queue = "resources") {
        const path = pathOf("v1", "queues", queue, "requeue");
        return (await this.#get({ method: "POST", path, body: oneOrAll(key) })).requeued;
    }
    /** Asks the other side again, now. */
    async resync(scope = {}) {
        await this.#do({ method: "POST", path: "/v1/resync", body: JSON.stringify(scope) });
    }
    /** Says that everything in that scope is declared (docs/api.md, No deletion storm). */
    async synced(scope = {}) {
        await this.#do({ method: "POST", path: "/v1/synced", body: JSON.stringify(scope) });
    }
    /** The state of the sidecar, as GET /v1/status has it. */
    status() {
        return this.#get({ method: "GET", path: "/v1/status" });
    }
}
/** @internal */
export function leaseCall({ queue = "resources", max = 1, wait = 0, leaseFor = 60_000, dataTypes = [] }) {
    const body = { max, wait: duration(wait), leaseFor: duration(leaseFor), dataTypes };
    return { method: "POST", path: pathOf("v1", "queues", queue, "lease"), body: JSON.stringify(body), waits: wait };
}
/** @internal */
export function answerCall(lease, result) {
    return { method: "POST", path: pathOf("v1", "leases", lease), body: JSON.stringify(result), goneIsDone: true };
}
/** @internal */
export function extendCall(lease, leaseFor, status) {
    const result = { result: "extend", leaseFor: duration(leaseFor), ...(status && { status }) };
    return { ...answerCall(lease, result), goneIsDone: false };
}
/** A duration in Go's notation, exact to the microsecond. @internal */
export function duration(milliseconds) {
    return `${Math.round(milliseconds * 1000)}us`;
}
// A path of segments, each percent-encoded as a whole.
function pathOf(...segments) {
    return segments.map((segment) => "/" + encodeURIComponent(segment)).join("");
}
function resourcePath({ dataType, cluster, id }, ...more) {
    return pathOf("v1", "resources", dataType, cluster, id, ...more);
}
// A write with a precondition is not repeated when it may have been taken: its
// own first try would make the second one fail.
function write(method, at, options, more, guard = {}) {
    const headers = { ...guard, ...(options.ifMatch !== undefined && { "If-Match": `"${options.ifMatch}"` }) };
    const waitFor = options.wait ? (options.waitFor ?? 30_000) : 0;
    const query = { source: at.source, ...(options.wait && { wait: options.wait, timeout: duration(waitFor) }) };
    const once = Object.keys(headers).length > 0;
    return { method, path: resourcePath(at), query, headers, waits: waitFor, once, signal: options.signal, ...more };
}
// A spec of bytes travels as base64 and needs its content type.
function specFields(spec, contentType) {
    if (!(spec instanceof Uint8Array))
        return { spec };
    if (!contentType)
        throw new SidecarError("invalid_argument", "a spec of bytes needs contentType");
    return { specBase64: Buffer.from(spec).toString("base64"), contentType };
}
function oneOrAll(key) {
    if (!key)
        return `{"all":true}`;
    const { dataType, cluster, id, source } = key;
    return JSON.stringify({ key: { dataType, cluster, id, source } });
}
// The body of an apply. A prune ends with the count, so that a body that was cut
// off deletes nothing.
async function* applyLines(items, prune) {
    let piece = "";
    let count = 0;
    for await (const item of items) {
        count++;
        piece += JSON.stringify(item) + "\n";
        if (piece.length < pieceSize)
            continue;
        yield piece;
        piece = "";
    }
    if (prune)
        piece += JSON.stringify({ end: true, items: count }) + "\n";
    if (piece)
        yield piece;
}
