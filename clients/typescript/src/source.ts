import type { Key, LeaseItem, LeaseResult } from "./model.js";
import { type Returned, type Work, readRequeue, workOf } from "./work.js";
import { Worker } from "./worker.js";

/** What a source does with the resources of a data type. */
export interface SourceHandlers<Spec> {
  /** Gets each resource whose status has changed. */
  status?(work: Work<Spec>): Returned | Promise<Returned>;
  /** Gets the key of each resource that is gone. */
  deleted?(key: Key): Returned | Promise<Returned>;
}

/** The app of a source: acts on statuses and finished deletions. */
export class Source extends Worker {
  readonly #handlers = new Map<string, SourceHandlers<unknown>>();

  on<Spec = unknown>(dataType: string, handlers: SourceHandlers<Spec>): this {
    if (this.#handlers.has(dataType)) throw new Error(`${dataType} has handlers already`);
    this.#handlers.set(dataType, handlers as SourceHandlers<unknown>);
    return this;
  }

  /** @internal */
  protected override dataTypes(): string[] {
    return [...this.#handlers.keys()];
  }

  /** @internal */
  protected override async handle(item: LeaseItem, signal: AbortSignal, stopping: AbortSignal): Promise<LeaseResult> {
    const handlers = this.#handlers.get(item.key.dataType);
    if (!item.object) return readRequeue(await handlers?.deleted?.(item.key));
    if (item.object.status === undefined) return {};
    return readRequeue(await handlers?.status?.(workOf(item, item.object, signal, stopping)));
  }
}
