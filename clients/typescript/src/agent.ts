import type { LeaseItem, LeaseResult } from "./model.js";
import { type Returned, type Work, readDeletion, readStatus, workOf } from "./work.js";
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
export class Agent extends Worker {
  readonly #handlers = new Map<string, AgentHandlers<unknown>>();

  on<Spec = unknown>(dataType: string, handlers: AgentHandlers<Spec>): this {
    if (this.#handlers.has(dataType)) throw new Error(`${dataType} has handlers already`);
    this.#handlers.set(dataType, handlers as AgentHandlers<unknown>);
    return this;
  }

  /** @internal */
  protected override dataTypes(): string[] {
    return [...this.#handlers.keys()];
  }

  /** @internal */
  protected override async handle(item: LeaseItem, signal: AbortSignal, stopping: AbortSignal): Promise<LeaseResult> {
    const handlers = this.#handlers.get(item.key.dataType);
    if (!handlers || !item.object) return {};
    const work = workOf(item, item.object, signal, stopping);
    if (item.object.deletionTimestamp) return readDeletion(await handlers.remove(work));
    return readStatus(await handlers.reconcile(work));
  }
}
