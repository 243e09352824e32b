import { setMaxListeners } from "node:events";
import { Client, answerCall, extendCall, leaseCall } from "./client.js";
import { SidecarError, hasCode } from "./errors.js";
import type { LeaseItem, LeaseResult } from "./model.js";
import { Backoff, Tries, mayBeRepeated, sleep } from "./retry.js";
import { type Call, isObject } from "./transport.js";
import { failed, nameOf, returned, stopped } from "./work.js";

const pollFor = 30_000; // ms
const mostItems = 1000; // of one lease
const never = new AbortController().signal;

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

// An item that is leased. Its answer and its extensions take turns.
class Job {
  readonly ended = new AbortController(); // the result does not count any more
  answered = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(readonly item: LeaseItem) {}

  get lost(): boolean {
    return this.ended.signal.aborted;
  }

  inTurn<T>(send: () => Promise<T>): Promise<T> {
    const sent = this.#turn.then(send);
    this.#turn = sent.catch(() => undefined);
    return sent;
  }
}

/**
 * A reconcile loop on the sidecar's work queue.
 *
 * Up to concurrency handlers run at a time, those of one key never. While a
 * handler works its lease is extended. What a handler throws makes the item
 * fail: it comes back later, each time after a longer wait. The loop goes on
 * over restarts of the sidecar.
 */
export abstract class Worker {
  readonly client: Client;
  readonly #options: Required<Omit<WorkerOptions, "client">>;
  readonly #jobs = new Set<Job>();
  readonly #latest = new Map<string, Job>(); // a key's newest
  readonly #stop = new AbortController();
  #waiting: (() => void)[] = []; // for the end of a job, or for stop
  #ran = false;
  #away = false; // the last lease failed

  constructor({ client, ...options }: WorkerOptions = {}) {
    this.client = client ?? new Client();
    const warn = (message: string, error: unknown) => console.warn(`pillion-client: ${message}: ${error}`);
    this.#options = { queue: "resources", concurrency: 4, leaseFor: 60_000, stopGrace: 20_000, onWarning: warn, ...options };
    if (!(this.#options.concurrency >= 1)) throw new RangeError("concurrency must be at least 1");
    setMaxListeners(0, this.#stop.signal); // handlers get it
    this.#stop.signal.addEventListener("abort", () => this.#notify(), { once: true });
  }

  /** The data types that there are handlers for. @internal */
  protected abstract dataTypes(): string[];

  /** What the handlers make of an item; {} if there is nothing to do. @internal */
  protected abstract handle(item: LeaseItem, signal: AbortSignal, stopping: AbortSignal): Promise<LeaseResult>;

  /** Asks run to end. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * Works until stop, or SIGTERM and SIGINT. Then it takes no more, lets
   * handlers finish for stopGrace, and gives the rest back; a second signal ends
   * the process at once. It runs once. Rejects with what trying again does not
   * mend.
   */
  async run({ signals = true, signal = never }: RunOptions = {}): Promise<void> {
    if (this.#ran) throw new Error("a worker runs once: make another one");
    if (this.dataTypes().length === 0) throw new Error("there is no handler to run");
    this.#ran = true;
    const stop = () => this.stop();
    const names: NodeJS.Signals[] = signals ? ["SIGTERM", "SIGINT"] : [];
    const forget = () => names.forEach((name) => process.removeListener(name, stop));
    names.forEach((name) => process.once(name, stop));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    this.#stop.signal.addEventListener("abort", forget, { once: true });
    try {
      await this.#leaseAll();
    } finally {
      signal.removeEventListener("abort", stop);
      this.stop();
      await this.#windDown();
    }
  }

  // Taking

  async #leaseAll(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#stop.signal.aborted) {
      const free = this.#options.concurrency - this.#jobs.size;
      if (free < 1) {
        await this.#changed();
        continue;
      }
      const began = performance.now();
      const items = await this.#lease(free);
      for (const item of items) this.#start(item);
      if (items.length > 0) backoff.reset();
      else if (performance.now() - began < 1000) await sleep(backoff.pause(), this.#stop.signal); // away, or ending
    }
  }

  /** Waits for items. There are none if the sidecar is away or busy. */
  async #lease(most: number): Promise<LeaseItem[]> {
    const { queue, leaseFor } = this.#options;
    const options = { queue, max: Math.min(most, mostItems), wait: pollFor, leaseFor, dataTypes: this.dataTypes() };
    try {
      const { body } = await this.client.transport.send({ ...leaseCall(options), interrupt: this.#stop.signal });
      this.#away = false;
      return isObject(body) && Array.isArray(body["items"]) ? (body["items"] as LeaseItem[]) : [];
    } catch (error) {
      if (this.#stop.signal.aborted) return [];
      if (!mayBeRepeated(error) && !(error instanceof SidecarError && error.status >= 500)) throw error;
      if (!this.#away) this.#options.onWarning("cannot lease, trying again", error);
      this.#away = true;
      await sleep(error.retryAfter, this.#stop.signal);
      return [];
    }
  }

  #start(item: LeaseItem): void {
    const job = new Job(item);
    const name = nameOf(item.key);
    const earlier = this.#latest.get(name);
    this.#jobs.add(job);
    this.#latest.set(name, job);
    void this.#work(job, earlier).finally(() => {
      this.#jobs.delete(job);
      if (this.#latest.get(name) === job) this.#latest.delete(name);
      this.#notify();
    });
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  // Working

  async #work(job: Job, earlier?: Job): Promise<void> {
    const keeping = new AbortController();
    const kept = this.#keep(job, keeping.signal);
    const mine = await this.#awaitTurn(job, earlier);
    await this.#answer(job, mine ? await this.#result(job) : returned);
    keeping.abort();
    await kept;
  }

  // Waits for an earlier handler of the same key, whose lease was lost. False
  // when the worker stops before that.
  async #awaitTurn(job: Job, earlier?: Job): Promise<boolean> {
    while (earlier && this.#jobs.has(earlier) && !this.#stop.signal.aborted) await this.#changed();
    return !this.#stop.signal.aborted && !job.lost;
  }

  async #result(job: Job): Promise<LeaseResult> {
    try {
      const result = await this.handle(job.item, job.ended.signal, this.#stop.signal);
      JSON.stringify(result); // or it cannot be sent
      return result;
    } catch (error) {
      this.#warn("handler failed", job, error);
      return failed(error);
    }
  }

  // Sends the result until it is taken, or the lease is gone. One that is refused
  // becomes a failure.
  async #answer(job: Job, result: LeaseResult): Promise<void> {
    const refusal = await this.#send(job, result);
    if (refusal === undefined) return;
    this.#warn("result refused", job, refusal);
    if (result.result !== "failed" || result.status) await this.#send(job, failed(refusal));
  }

  async #send(job: Job, result: LeaseResult): Promise<unknown> {
    let call: Call;
    try {
      call = answerCall(job.item.lease, result);
    } catch (error) {
      return error; // a failure with a status that cannot be sent
    }
    const tries = new Tries(call, Infinity);
    while (!job.lost) {
      try {
        await job.inTurn(() => this.client.transport.send(call));
        job.answered = true;
        return undefined;
      } catch (error) {
        if (hasCode(error, "not_found")) return undefined; // it was taken, or has lapsed and comes back
        if (!mayBeRepeated(error)) return error;
        await sleep(tries.pause(error), job.ended.signal);
      }
    }
    return undefined;
  }

  // Extending

  async #keep(job: Job, until: AbortSignal): Promise<void> {
    const { leaseFor } = this.#options;
    let wait = leaseFor / 3;
    while (!until.aborted && !job.lost) {
      await sleep(wait, until);
      if (until.aborted) return;
      wait = (await job.inTurn(() => this.#extend(job))) ? leaseFor / 3 : leaseFor / 12;
    }
  }

  async #extend(job: Job): Promise<boolean> {
    if (job.answered || job.lost) return true;
    try {
      await this.client.transport.send(extendCall(job.item.lease, this.#options.leaseFor));
      return true;
    } catch (error) {
      if (!hasCode(error, "not_found")) return false;
      job.ended.abort(error);
      this.#warn("lease lost while its handler works", job, error);
      return true;
    }
  }

  // Ending

  async #windDown(): Promise<void> {
    let over = false;
    const grace = setTimeout(() => {
      over = true;
      this.#notify();
    }, this.#options.stopGrace);
    while (this.#jobs.size > 0 && !over) await this.#changed();
    clearTimeout(grace);
    await Promise.all([...this.#jobs].map((job) => this.#giveUp(job)));
  }

  // Hands back what a handler would not finish.
  async #giveUp(job: Job): Promise<void> {
    this.#warn("handler did not finish in time", job, new Error("given back"));
    const send = async () => {
      const lost = job.answered || job.lost;
      job.ended.abort(new Error("the worker was stopped"));
      if (!lost) await this.client.transport.send(answerCall(job.item.lease, stopped));
    };
    const patience = new AbortController();
    const sent = job.inTurn(send).catch((error: unknown) => this.#warn("cannot give back", job, error));
    await Promise.race([sent, sleep(5000, patience.signal)]);
    patience.abort();
  }

  #warn(message: string, job: Job, error: unknown): void {
    this.#options.onWarning(`${message}: ${nameOf(job.item.key)}`, error);
  }
}
