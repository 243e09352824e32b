// When a call is made again, and after how long. The API says which errors may
// be repeated as they are: 429, 503, 408 and a broken connection (docs/api.md,
// Errors). 504 may be, too, but is the caller's own deadline.
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError, UnreachableError, UntrustedError, hasCode } from "./errors.js";
import type { Call } from "./transport.js";

const firstPause = 50; // ms
const longestPause = 1000;

/** Pauses that double, with jitter; what Retry-After asks for is the least. */
export class Backoff {
  #next = firstPause;

  reset(): void {
    this.#next = firstPause;
  }

  pause(error?: SidecarError): number {
    const pause = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(2 * this.#next, longestPause);
    return Math.max(pause, error?.retryAfter ?? 0);
  }
}

export function mayBeRepeated(error: unknown): error is SidecarError {
  return hasCode(error, "too_many_requests", "unavailable", "timeout") && !(error instanceof UntrustedError);
}

/** The tries of one call, for so many milliseconds after the first. */
export class Tries {
  readonly #backoff = new Backoff();
  readonly #until: number;
  #lost = false; // an answer was lost: the call may have been taken

  constructor(readonly call: Call, retryFor: number) {
    this.#until = performance.now() + retryFor;
  }

  /** Whether the error says that an earlier try was taken. */
  wasTaken(error: unknown): boolean {
    return this.#lost && this.call.goneIsDone === true && hasCode(error, "not_found");
  }

  /** Milliseconds until the next try; throws the error if there is none. */
  pause(error: unknown): number {
    const sent = error instanceof UnreachableError && error.sent;
    this.#lost ||= sent;
    if (!mayBeRepeated(error) || (sent && this.call.once)) throw error;
    const pause = this.#backoff.pause(error);
    if (performance.now() + pause > this.#until) throw error;
    return pause;
  }
}

/** Waits so long, or until the signal. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, signal && { signal }).catch(() => undefined);
}
