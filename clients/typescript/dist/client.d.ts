import { type EndpointOptions } from "./endpoint.js";
import type { ApplyResult, At, DeadItem, Declaration, JsonObject, Key, LeaseItem, LeaseResult, Page, QueueStats, Resource, State } from "./model.js";
import { Watch, type WatchOptions } from "./watch.js";
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
export declare class Client {
    #private;
    constructor(options?: ClientOptions);
    /** Closes all connections. */
    close(): void;
    /** One resource. */
    get<Spec = unknown>(at: At, options?: CallOptions): Promise<Resource<Spec>>;
    /**
     * Every resource that fits, in pages of limit. All are of one snapshot;
     * expired if it lapses in between (30 s after the last page).
     */
    list<Spec = unknown>(options?: ListOptions): AsyncGenerator<Resource<Spec>>;
    /** One page of a list, with the revision from which a watch goes on. */
    page<Spec = unknown>({ signal, ...query }?: ListOptions, cursor?: string): Promise<Page<Spec>>;
    /** Declares a resource at a source; nothing happens if it is so already. A spec of bytes needs a contentType. */
    put<Spec = unknown>(at: At, spec: Spec | Uint8Array, options?: PutOptions): Promise<Resource<Spec>>;
    /** Merges into a resource at a source (RFC 7386): { spec: {…} }. */
    patch<Spec = unknown>(at: At, merge: JsonObject, options?: WriteOptions): Promise<Resource<Spec>>;
    /** Reports a status at an agent. */
    setStatus<Spec = unknown>(at: At, status: JsonObject, options?: StatusOptions): Promise<Resource<Spec>>;
    /**
     * Asks for deletion at a source; confirms it at an agent. The resource while
     * its deletion lasts, null when it is gone; wait: "observed" waits for that.
     * force forgets it at once.
     */
    delete<Spec = unknown>(at: At, options?: WriteOptions & {
        force?: boolean;
    }): Promise<Resource<Spec> | null>;
    /** Forgets every resource of a cluster that is no more; how many. */
    deleteCluster(cluster: string, options?: CallOptions): Promise<number>;
    /**
     * Declares many in one go, streamed. prune deletes what is in its scope and
     * not among the items. Throws ApplyError, with the result, if items failed.
     */
    apply(items: Iterable<Declaration> | AsyncIterable<Declaration>, { prune, signal }?: CallOptions & {
        prune?: {
            dataType: string;
            cluster: string;
        };
    }): Promise<ApplyResult>;
    /** Changes as they happen; see Watch. */
    watch<Spec = unknown>(options?: WatchOptions): Watch<Spec>;
    /** Takes work from a queue. */
    lease<Spec = unknown>(options?: LeaseOptions): Promise<LeaseItem<Spec>[]>;
    /** Ends a lease with a result; {} is done. not_found if it was answered or has lapsed: nothing was changed. */
    answer(lease: string, result?: LeaseResult, options?: CallOptions): Promise<void>;
    /** Keeps a lease for so many milliseconds from now, and may report a status. */
    extend(lease: string, leaseFor?: number, status?: JsonObject): Promise<void>;
    /** The state of every queue. */
    queues(): Promise<QueueStats[]>;
    /** The state of one queue. */
    queue(name?: string): Promise<QueueStats>;
    /** The keys that were given up. */
    dead(queue?: string): Promise<DeadItem[]>;
    /** Brings a dead key back, or all; how many. */
    retryDead(key?: Key | At, queue?: string): Promise<number>;
    /** Puts a key into the queue again, or all, for an app that has lost its memory; how many. */
    requeue(key?: Key | At, queue?: string): Promise<number>;
    /** Asks the other side again, now. */
    resync(scope?: {
        cluster?: string;
        source?: string;
    }): Promise<void>;
    /** Says that everything in that scope is declared (docs/api.md, No deletion storm). */
    synced(scope?: {
        dataType?: string;
        cluster?: string;
    }): Promise<void>;
    /** The state of the sidecar, as GET /v1/status has it. */
    status(): Promise<JsonObject>;
}
