import type { JsonObject, Key, Reason, Resource } from "./model.js";
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
export declare class Result {
    readonly status: JsonObject | undefined;
    /**
     * Look at the resource again after so many milliseconds. A deletion that
     * returns it is not confirmed yet.
     */
    readonly requeueAfter: number | undefined;
    constructor({ status, requeueAfter }?: {
        status?: JsonObject;
        requeueAfter?: number;
    });
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
export declare class Failure extends Error {
    readonly options: FailureOptions;
    readonly name = "Failure";
    constructor(detail: string, options?: FailureOptions);
}
export type Returned = Result | JsonObject | void | undefined;
