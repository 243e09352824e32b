import { SidecarError, UnreachableError, fromProblem, hasCode } from "./errors.js";
import type { WatchEvent } from "./model.js";
import { Backoff, mayBeRepeated, sleep } from "./retry.js";
import { type Transport, isObject } from "./transport.js";

// Without a line for so long a watch is broken: a bookmark comes every 15 s.
const silence = 45_000;

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
export class Watch<Spec = unknown> implements AsyncIterable<WatchEvent<Spec>> {
  readonly #transport: Transport;
  readonly #filters: Record<string, string | undefined>;
  readonly #signal: AbortSignal | undefined;
  readonly #backoff = new Backoff();
  #revision: string | undefined;
  #told = false; // something of the present listing was told

  /** @internal */
  constructor(transport: Transport, { since, signal, ...filters }: WatchOptions) {
    this.#transport = transport;
    this.#filters = filters;
    this.#signal = signal;
    this.#revision = since;
  }

  /** Where it would go on: for since of a later watch. Undefined until SYNCED. */
  get revision(): string | undefined {
    return this.#revision;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent<Spec>> {
    while (!this.#signal?.aborted) {
      if (this.#revision === undefined && this.#told) {
        this.#told = false;
        yield { type: "RESTARTED" };
      }
      let pause = 0;
      try {
        yield* this.#once();
        pause = this.#backoff.pause();
      } catch (error) {
        if (this.#signal?.aborted) return;
        pause = this.#mend(error);
      }
      await sleep(pause, this.#signal);
    }
  }

  async *#once(): AsyncGenerator<WatchEvent<Spec>> {
    const query = { ...this.#filters, watch: true, since: this.#revision };
    const lines = this.#transport.lines({ method: "GET", path: "/v1/resources", query, signal: this.#signal }, silence);
    for await (const line of lines) {
      const event = decode<Spec>(line);
      this.#note(event);
      yield event;
    }
  }

  // Before SYNCED the resources are in no order of revisions, so that until then
  // there is nowhere to go on from.
  #note(event: WatchEvent<Spec>): void {
    this.#told = true;
    this.#backoff.reset();
    if ("revision" in event) this.#revision = event.revision;
    else if ("resource" in event && this.#revision !== undefined) this.#revision = event.resource.revision;
  }

  /** Milliseconds until the next connection; throws what that does not mend. */
  #mend(error: unknown): number {
    if (hasCode(error, "expired")) {
      this.#revision = undefined;
      this.#told = true;
    } else if (!mayBeRepeated(error)) {
      throw error;
    }
    return this.#backoff.pause(error instanceof SidecarError ? error : undefined);
  }
}

function decode<Spec>(line: string): WatchEvent<Spec> {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new UnreachableError(`the watch cannot be read: ${(cause as Error).message}`, true, cause);
  }
  if (!isObject(event) || typeof event["type"] !== "string") {
    throw new UnreachableError("the watch cannot be read: a line without a type", true);
  }
  if (event["type"] !== "ERROR") return event as WatchEvent<Spec>;
  const problem = event["error"];
  throw fromProblem(problem, isObject(problem) && typeof problem["status"] === "number" ? problem["status"] : 500);
}
