import type { Endpoint } from "./endpoint.js";
/** One call: what to send, and how it behaves. */
export interface Call {
    method: string;
    path: string;
    query?: Record<string, string | number | boolean | undefined>;
    body?: string;
    /** A body in pieces, in place of body. */
    pieces?: Pieces;
    contentType?: string;
    headers?: Record<string, string>;
    /** Milliseconds that the sidecar may take on top. */
    waits?: number;
    /** Not to be repeated when it may have been taken. */
    once?: boolean;
    /** 404 when repeated means that it was taken. */
    goneIsDone?: boolean;
    signal?: AbortSignal | undefined;
    /**
     * Ends a call that waits. Only the sending side is closed, so that an answer
     * that is under way still comes: what a lease hands out is never lost.
     */
    interrupt?: AbortSignal;
}
/** A body that can be made once only: what it is made of may be gone then. */
export declare class Pieces {
    readonly made: AsyncIterable<string>;
    begun: boolean;
    constructor(made: AsyncIterable<string>);
    begin(): AsyncIterable<string>;
}
export interface Answer {
    status: number;
    /** JSON; undefined if there was none. */
    body: unknown;
}
/** Carries calls. */
export declare class Transport {
    readonly endpoint: Endpoint;
    readonly timeout: number;
    constructor(endpoint: Endpoint, timeout: number);
    /** The answer of a call; UnreachableError if there is none. An answer that is an error is thrown. */
    send(call: Call): Promise<Answer>;
    /** The lines of an answer that goes on. Silence is how long none may come, in milliseconds. */
    lines(call: Call, silence: number): AsyncGenerator<string>;
}
export declare function isObject(value: unknown): value is Record<string, unknown>;
