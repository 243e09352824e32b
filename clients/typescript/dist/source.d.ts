import type { Key } from "./model.js";
import { type Returned, type Work } from "./work.js";
import { Worker } from "./worker.js";
/** What a source does with the resources of a data type. */
export interface SourceHandlers<Spec> {
    /** Gets each resource whose status has changed. */
    status?(work: Work<Spec>): Returned | Promise<Returned>;
    /** Gets the key of each resource that is gone. */
    deleted?(key: Key): Returned | Promise<Returned>;
}
/** The app of a source: acts on statuses and finished deletions. */
export declare class Source extends Worker {
    #private;
    on<Spec = unknown>(dataType: string, handlers: SourceHandlers<Spec>): this;
}
