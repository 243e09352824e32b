// What can go wrong. Every error that the sidecar answers with is a
// SidecarError: code is for programs, detail says what to do (docs/api.md,
// Errors).
import type { ApplyResult, FieldError, Resource } from "./model.js";

export type Code =
  | "invalid_argument" | "unauthenticated" | "forbidden" | "not_found" | "method_not_allowed" | "timeout" | "conflict"
  | "deleting" | "ambiguous" | "expired" | "precondition_failed" | "too_large" | "unsupported_media_type" | "invalid_item"
  | "too_many_requests" | "internal" | "unavailable" | "deadline_exceeded" | "disk_full";

interface Details {
  /** The HTTP status; 0 if there was no answer. */
  status?: number;
  errors?: FieldError[];
  resource?: Resource;
  retryAfter?: number;
  cause?: unknown;
}

/** An error of the local API. */
export class SidecarError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** The fields at fault. */
  readonly errors: FieldError[];
  /** What a wait that was too short had reached. */
  readonly resource: Resource | undefined;
  /** Milliseconds; 0 if the sidecar named no time. */
  readonly retryAfter: number;

  constructor(readonly code: Code, readonly detail: string, details: Details = {}) {
    super(`${code}: ${detail}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.status = details.status ?? 0;
    this.errors = details.errors ?? [];
    this.resource = details.resource;
    this.retryAfter = details.retryAfter ?? 0;
  }
}

/** There was no answer: the sidecar is not there, or went away. */
export class UnreachableError extends SidecarError {
  /** sent tells whether the call may have been taken. */
  constructor(detail: string, readonly sent: boolean, cause?: unknown) {
    super("unavailable", detail, { cause });
  }
}

/** The certificate of the sidecar is not signed by the CA that was given. */
export class UntrustedError extends SidecarError {
  constructor(detail: string, cause?: unknown) {
    super("unavailable", detail, { cause });
  }
}

/** Some items of an apply failed; result says which, the others stay. */
export class ApplyError extends SidecarError {
  constructor(readonly result: ApplyResult) {
    const first = result.errors.slice(0, 1).map((e) => `; line ${e.line}: ${e.code}: ${e.detail}`);
    super("invalid_item", `${result.failed} items failed${first.join("")}`, { status: 422 });
  }
}

/** Whether the error is one of the sidecar's with that code. */
export function hasCode(error: unknown, ...codes: Code[]): error is SidecarError {
  return error instanceof SidecarError && codes.includes(error.code);
}

/** The error that a problem document (RFC 9457) describes. @internal */
export function fromProblem(problem: unknown, status: number, retryAfter = 0): SidecarError {
  const p = (typeof problem === "object" ? problem : null) as Partial<SidecarError> | null;
  if (typeof p?.code !== "string") {
    const detail = `the server answered ${status}, not as a sidecar does: is it one?`;
    return new SidecarError("internal", detail, { status, retryAfter });
  }
  const errors = Array.isArray(p.errors) ? p.errors : [];
  const resource = p.resource && { resource: p.resource };
  return new SidecarError(p.code, String(p.detail ?? ""), { status, retryAfter, errors, ...resource });
}
