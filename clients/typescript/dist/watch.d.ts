import type { WatchEvent } from "./model.js";
export interface WatchOptions {
    dataType?: string;
    cluster?: string;
    source?: string;
    /** A revision to go on from. */
    since?: string;
    /** Ends the watch. */
    signal?: AbortSignal;
}
/**
 * Changes, in the order of their revisions, for as long as they are read.
 *
 * It goes on over broken connections and restarts of the sidecar from where it
 * was. When that is not possible any more it tells RESTARTED and then all that
 * there is, up to SYNCED. It ends when the loop over it is left, with its
 * signal, or with an error that trying again does not mend.
 */
export declare class Watch<Spec = unknown> implements AsyncIterable<WatchEvent<Spec>> {
    #private;
    /** Where it would go on: for since of a later watch. Undefined until SYNCED. */
    get revision(): string | undefined;
    [Symbol.asyncIterator](): AsyncGenerator<WatchEvent<Spec>>;
}
