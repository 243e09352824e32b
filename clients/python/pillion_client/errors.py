"""What can go wrong, as exceptions.

Every error that the sidecar answers with is a :class:`SidecarError`: ``code``
is for programs, ``detail`` says what to do (docs/api.md, Errors). The codes
that programs decide on have a class each. A sidecar that gives no answer is an
:class:`UnreachableError`.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple, Type

from .model import ApplyResult, FieldError, Resource


class SidecarError(Exception):
    """An error of the local API.

    status is the HTTP status, 0 if there was no answer. errors are the fields
    at fault. resource is what a wait that was too short had reached.
    retry_after is in seconds, 0 if the sidecar named no time.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 0,
        errors: Tuple[FieldError, ...] = (),
        resource: Optional[Resource] = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.errors = errors
        self.resource = resource
        self.retry_after = retry_after


class InvalidArgumentError(SidecarError):
    """The call is wrong; repeating it is of no use."""


class UnauthenticatedError(SidecarError):
    """The token is missing or wrong (TCP only)."""


class ForbiddenError(SidecarError):
    """The call belongs to the other role, or the caller is not allowed in."""


class NotFoundError(SidecarError):
    """There is no such resource, queue or lease."""


class ConflictError(SidecarError):
    """The state of the resource does not allow the call."""


class DeletingError(ConflictError):
    """The resource is being deleted: wait until it is gone."""


class AmbiguousError(ConflictError):
    """Two sources have that id: name one with source=."""


class ExpiredError(SidecarError):
    """The list or the revision has lapsed: begin anew."""


class PreconditionFailedError(SidecarError):
    """if_match or if_none_match does not hold: read again, decide again."""


class TooLargeError(SidecarError):
    """More than limits.maxResourceBytes of the sidecar."""


class TooManyRequestsError(SidecarError):
    """A limit of the sidecar is reached for now."""


class UnavailableError(SidecarError):
    """The sidecar is ending, or not there: it may be back soon."""


class UnreachableError(UnavailableError):
    """There was no answer. sent tells whether the call may have been taken."""

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__("unavailable", detail)
        self.sent = sent


class UntrustedError(SidecarError):
    """The certificate of the sidecar is not signed by the CA that was given."""


class DeadlineExceededError(SidecarError):
    """The state waited for was not reached in time; the write itself stays."""


class DiskFullError(SidecarError):
    """The sidecar has no space left: nothing was changed."""


class ApplyError(SidecarError):
    """Some items of an apply failed; result says which, the others stay."""

    def __init__(self, result: ApplyResult) -> None:
        first = "".join(f"; line {e.line}: {e.code}: {e.detail}" for e in result.errors[:1])
        super().__init__("invalid_item", f"{result.failed} items failed{first}", status=422)
        self.result = result


_CLASSES: Dict[str, Type[SidecarError]] = {
    "invalid_argument": InvalidArgumentError,
    "unauthenticated": UnauthenticatedError,
    "forbidden": ForbiddenError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "deleting": DeletingError,
    "ambiguous": AmbiguousError,
    "expired": ExpiredError,
    "precondition_failed": PreconditionFailedError,
    "too_large": TooLargeError,
    "too_many_requests": TooManyRequestsError,
    "unavailable": UnavailableError,
    "deadline_exceeded": DeadlineExceededError,
    "disk_full": DiskFullError,
}


def from_problem(problem: Any, *, status: int, retry_after: float = 0.0) -> SidecarError:
    """The error that a problem document (RFC 9457) describes."""
    if not isinstance(problem, Mapping) or not isinstance(problem.get("code"), str):
        detail = f"the server answered {status}, not as a sidecar does: is it one?"
        return SidecarError("internal", detail, status=status, retry_after=retry_after)
    resource = problem.get("resource")
    return _CLASSES.get(problem["code"], SidecarError)(
        problem["code"],
        str(problem.get("detail", "")),
        status=status,
        errors=tuple(FieldError.from_json(e) for e in problem.get("errors") or ()),
        resource=Resource.from_json(resource) if resource else None,
        retry_after=retry_after,
    )
