import type { ApplyResult, FieldError, Resource } from "./model.js";
export type Code = "invalid_argument" | "unauthenticated" | "forbidden" | "not_found" | "method_not_allowed" | "timeout" | "conflict" | "deleting" | "ambiguous" | "expired" | "precondition_failed" | "too_large" | "unsupported_media_type" | "invalid_item" | "too_many_requests" | "internal" | "unavailable" | "deadline_exceeded" | "disk_full";
interface Details {
    /** The HTTP status; 0 if there was no answer. */
    status?: number;
    errors?: FieldError[];
    resource?: Resource;
    retryAfter?: number;
    cause?: unknown;
}
/** An error of the local API. */
export declare class SidecarError extends Error {
    readonly code: Code;
    readonly detail: string;
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number;
    /** The fields at fault. */
    readonly errors: FieldError[];
    /** What a wait that was too short had reached. */
    readonly resource: Resource | undefined;
    /** Milliseconds; 0 if the sidecar named no time. */
    readonly retryAfter: number;
    constructor(code: Code, detail: string, details?: Details);
}
/** There was no answer: the sidecar is not there, or went away. */
export declare class UnreachableError extends SidecarError {
    readonly sent: boolean;
    /** sent tells whether the call may have been taken. */
    constructor(detail: string, sent: boolean, cause?: unknown);
}
/** The certificate of the sidecar is not signed by the CA that was given. */
export declare class UntrustedError extends SidecarError {
    constructor(detail: string, cause?: unknown);
}
/** Some items of an apply failed; result says which, the others stay. */
export declare class ApplyError extends SidecarError {
    readonly result: ApplyResult;
    constructor(result: ApplyResult);
}
/** Whether the error is one of the sidecar's with that code. */
export declare function hasCode(error: unknown, ...codes: Code[]): error is SidecarError;
export {};
