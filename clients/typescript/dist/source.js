import { readRequeue, workOf } from "./work.js";
import { Worker } from "./worker.js";
/** The app of a source: acts on statuses and finished deletions. */
export class Source extends Worker {
    #handlers = new Map();
    on(dataType, handlers) {
        if (this.#handlers.has(dataType))
            throw new Error(`${dataType} has handlers already`);
        this.#handlers.set(dataType, handlers);
        return this;
    }
    /** @internal */
    dataTypes() {
        return [...this.#handlers.keys()];
    }
    /** @internal */
    async handle(item, signal, stopping) {
        const handlers = this.#handlers.get(item.key.dataType);
        if (!item.object)
            return readRequeue(await handlers?.deleted?.(item.key));
        if (item.object.status === undefined)
            return {};
        return readRequeue(await handlers?.status?.(workOf(item, item.object, signal, stopping)));
    }
}
