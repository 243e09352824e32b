import { type Returned, type Work } from "./work.js";
import { Worker } from "./worker.js";
/** What an agent does with the resources of a data type. */
export interface AgentHandlers<Spec> {
    /**
     * Makes the world as the spec says. Returns the status, a Result, or nothing;
     * what it throws makes the item come back later.
     */
    reconcile(work: Work<Spec>): Returned | Promise<Returned>;
    /** Cleans up; then the deletion is confirmed, unless it returns a Result with requeueAfter. */
    remove(work: Work<Spec>): Returned | Promise<Returned>;
}
/** The app of an agent: acts on specs and deletions. */
export declare class Agent extends Worker {
    #private;
    on<Spec = unknown>(dataType: string, handlers: AgentHandlers<Spec>): this;
}
