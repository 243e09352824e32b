import { readDeletion, readStatus, workOf } from "./work.js";
import { Worker } from "./worker.js";
/** The app of an agent: acts on specs and deletions. */
export class Agent extends Worker {
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
        if (!handlers || !item.object)
            return {};
        const work = workOf(item, item.object, signal, stopping);
        if (item.object.deletionTimestamp)
            return readDeletion(await handlers.remove(work));
        return readStatus(await handlers.reconcile(work));
    }
}
