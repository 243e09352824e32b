import { Client } from "./client.js";
export interface WorkerOptions {
    client?: Client;
    queue?: string;
    /** Handlers at a time (4). */
    concurrency?: number;
    /** How long a lease lasts before it is extended, in milliseconds (60,000). */
    leaseFor?: number;
    /** How long handlers have to finish when the worker is stopped, in milliseconds (20,000). */
    stopGrace?: number;
    /** Told of what goes wrong; console.warn by default. Neither specs nor statuses are among it. */
    onWarning?: (message: string, error: unknown) => void;
}
export interface RunOptions {
    /** Stop at SIGTERM and SIGINT (true). */
    signals?: boolean;
    /** Stop when it is aborted. */
    signal?: AbortSignal;
}
/**
 * A reconcile loop on the sidecar's work queue.
 *
 * Up to concurrency handlers run at a time, those of one key never. While a
 * handler works its lease is extended. What a handler throws makes the item
 * fail: it comes back later, each time after a longer wait. The loop goes on
 * over restarts of the sidecar.
 */
export declare abstract class Worker {
    #private;
    readonly client: Client;
    constructor({ client, ...options }?: WorkerOptions);
    /** Asks run to end. */
    stop(): void;
    /**
     * Works until stop, or SIGTERM and SIGINT. Then it takes no more, lets
     * handlers finish for stopGrace, and gives the rest back; a second signal ends
     * the process at once. It runs once. Rejects with what trying again does not
     * mend.
     */
    run({ signals, signal }?: RunOptions): Promise<void>;
}
