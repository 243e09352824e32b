// What becomes of an item: what a handler gets, and what it may answer.
import { duration } from "./client.js";
/** What a handler returns that has more to say than a status. */
export class Result {
    status;
    /**
     * Look at the resource again after so many milliseconds. A deletion that
     * returns it is not confirmed yet.
     */
    requeueAfter;
    constructor({ status, requeueAfter } = {}) {
        this.status = status;
        this.requeueAfter = requeueAfter;
    }
}
/** Thrown by a handler that has more to say than that it failed. */
export class Failure extends Error {
    options;
    name = "Failure";
    constructor(detail, options = {}) {
        super(detail);
        this.options = options;
    }
}
/** Hands an item back unhandled: it is ready at once, and no failure counts. @internal */
export const returned = { result: "done", requeueAfter: "1ms" };
/** Hands an item back whose handler was begun and will not finish. @internal */
export const stopped = {
    result: "failed", requeueAfter: "1ms", error: "the app stopped before its handler was done",
};
/** The result of a reconcile: a status, a Result, or just done. @internal */
export function readStatus(value) {
    if (value === undefined)
        return {};
    if (value instanceof Result)
        return fields(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new TypeError("a handler returns a status (an object), a Result or nothing");
    }
    return { status: value };
}
/** The result of a cleanup: confirmed, unless it asks to come back. @internal */
export function readDeletion(value) {
    const result = readStatus(value);
    return result.requeueAfter === undefined ? { ...result, deleted: true } : result;
}
/** The result of a source's handler, which has no status to report. @internal */
export function readRequeue(value) {
    const result = readStatus(value);
    if (!result.status)
        return result;
    throw new TypeError("a source reports no status: its handlers return a Result with requeueAfter, or nothing");
}
function fields({ status, requeueAfter }) {
    return { ...(status && { status }), ...(requeueAfter !== undefined && { requeueAfter: duration(Math.max(requeueAfter, 1)) }) };
}
/** The result of a handler that threw. @internal */
export function failed(error) {
    const result = { result: "failed", error: describe(error) };
    if (!(error instanceof Failure))
        return result;
    return { ...result, ...fields(error.options), ...(error.options.retry === false && { retry: false }) };
}
function describe(error) {
    if (error instanceof Failure)
        return error.message;
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
/** One string for each key. @internal */
export function nameOf({ dataType, source, cluster, id }) {
    return [dataType, source, cluster, id].join("/");
}
/** The work of an item whose resource is there. @internal */
export function workOf(item, object, signal, stopping) {
    const { key, reasons, attempt } = item;
    return { key, object, reasons, attempt, signal, stopping };
}
