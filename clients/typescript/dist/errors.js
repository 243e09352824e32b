/** An error of the local API. */
export class SidecarError extends Error {
    code;
    detail;
    /** The HTTP status; 0 if there was no answer. */
    status;
    /** The fields at fault. */
    errors;
    /** What a wait that was too short had reached. */
    resource;
    /** Milliseconds; 0 if the sidecar named no time. */
    retryAfter;
    constructor(code, detail, details = {}) {
        super(`${code}: ${detail}`, details.cause === undefined ? undefined : { cause: details.cause });
        this.code = code;
        this.detail = detail;
        this.name = new.target.name;
        this.status = details.status ?? 0;
        this.errors = details.errors ?? [];
        this.resource = details.resource;
        this.retryAfter = details.retryAfter ?? 0;
    }
}
/** There was no answer: the sidecar is not there, or went away. */
export class UnreachableError extends SidecarError {
    sent;
    /** sent tells whether the call may have been taken. */
    constructor(detail, sent, cause) {
        super("unavailable", detail, { cause });
        this.sent = sent;
    }
}
/** The certificate of the sidecar is not signed by the CA that was given. */
export class UntrustedError extends SidecarError {
    constructor(detail, cause) {
        super("unavailable", detail, { cause });
    }
}
/** Some items of an apply failed; result says which, the others stay. */
export class ApplyError extends SidecarError {
    result;
    constructor(result) {
        const first = result.errors.slice(0, 1).map((e) => `; line ${e.line}: ${e.code}: ${e.detail}`);
        super("invalid_item", `${result.failed} items failed${first.join("")}`, { status: 422 });
        this.result = result;
    }
}
/** Whether the error is one of the sidecar's with that code. */
export function hasCode(error, ...codes) {
    return error instanceof SidecarError && codes.includes(error.code);
}
/** The error that a problem document (RFC 9457) describes. @internal */
export function fromProblem(problem, status, retryAfter = 0) {
    const p = (typeof problem === "object" ? problem : null);
    if (typeof p?.code !== "string") {
        const detail = `the server answered ${status}, not as a sidecar does: is it one?`;
        return new SidecarError("internal", detail, { status, retryAfter });
    }
    const errors = Array.isArray(p.errors) ? p.errors : [];
    const resource = p.resource && { resource: p.resource };
    return new SidecarError(p.code, String(p.detail ?? ""), { status, retryAfter, errors, ...resource });
}
