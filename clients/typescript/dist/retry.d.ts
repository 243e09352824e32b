import { SidecarError } from "./errors.js";
import type { Call } from "./transport.js";
/** Pauses that double, with jitter; what Retry-After asks for is the least. */
export declare class Backoff {
    #private;
    reset(): void;
    pause(error?: SidecarError): number;
}
export declare function mayBeRepeated(error: unknown): error is SidecarError;
/** The tries of one call, for so many milliseconds after the first. */
export declare class Tries {
    #private;
    readonly call: Call;
    constructor(call: Call, retryFor: number);
    /** Whether the error says that an earlier try was taken. */
    wasTaken(error: unknown): boolean;
    /** Milliseconds until the next try; throws the error if there is none. */
    pause(error: unknown): number;
}
/** Waits so long, or until the signal. */
export declare function sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
