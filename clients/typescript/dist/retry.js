// When a call is made again, and after how long. The API says which errors may
// be repeated as they are: 429, 503, 408 and a broken connection (docs/api.md,
// Errors). 504 may be, too, but is the caller's own deadline.
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError, UnreachableError, UntrustedError, hasCode } from "./errors.js";
const firstPause = 50; // ms
const longestPause = 1000;
/** Pauses that double, with jitter; what Retry-After asks for is the least. */
export class Backoff {
    #next = firstPause;
    reset() {
        this.#next = firstPause;
    }
    pause(error) {
        const pause = this.#next * (0.5 + Math.random() / 2);
        this.#next = Math.min(2 * this.#next, longestPause);
        return Math.max(pause, error?.retryAfter ?? 0);
    }
}
export function mayBeRepeated(error) {
    return hasCode(error, "too_many_requests", "unavailable", "timeout") && !(error instanceof UntrustedError);
}
/** The tries of one call, for so many milliseconds after the first. */
export class Tries {
    call;
    #backoff = new Backoff();
    #until;
    #lost = false; // an answer was lost: the call may have been taken
    constructor(call, retryFor) {
        this.call = call;
        this.#until = performance.now() + retryFor;
    }
    /** Whether the error says that an earlier try was taken. */
    wasTaken(error) {
        return this.#lost && this.call.goneIsDone === true && hasCode(error, "not_found");
    }
    /** Milliseconds until the next try; throws the error if there is none. */
    pause(error) {
        const sent = error instanceof UnreachableError && error.sent;
        this.#lost ||= sent;
        if (!mayBeRepeated(error) || (sent && this.call.once))
            throw error;
        const pause = this.#backoff.pause(error);
        if (performance.now() + pause > this.#until)
            throw error;
        return pause;
    }
}
/** Waits so long, or until the signal. */
export async function sleep(milliseconds, signal) {
    await delay(milliseconds, undefined, signal && { signal }).catch(() => undefined);
}
