"""What both kinds of workers share: handlers, and what becomes of an item.

Nothing here touches the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Union

from ._calls import duration
from .model import Json, Key, LeaseItem, Resource

RETURNED: Mapping[str, Json] = {"result": "done", "requeueAfter": "1ms"}
"""Hands an item back unhandled: it is ready at once, and no failure counts."""

STOPPED: Mapping[str, Json] = {"result": "failed", "requeueAfter": "1ms", "error": "the app stopped before its handler was done"}
"""Hands an item back whose handler was begun and will not finish."""


@dataclass(frozen=True)
class Work:
    """What a handler gets: a resource as it was when it was handed out."""

    key: Key
    object: Resource
    reasons: tuple[str, ...]
    attempt: int
    _state: WorkState

    @property
    def lost(self) -> bool:
        """Whether the lease is gone, because the sidecar was restarted or away
        for too long: the result will not count, and the key comes back."""
        return self._state.lost

    @property
    def stopping(self) -> bool:
        """Whether the worker was told to stop: a long handler may end early."""
        return self._state.stopping()


class WorkState:
    """What changes while a handler works."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.lost = False
        self.stopping = stopping


@dataclass(frozen=True)
class Result:
    """What a handler returns that has more to say than a status.

    requeue_after looks at the resource again after so many seconds. A deletion
    that returns it is not confirmed yet.
    """

    status: Optional[Mapping[str, Json]] = None
    requeue_after: Optional[float] = None


class Failure(Exception):
    """Raised by a handler that has more to say than that it failed.

    requeue_after (seconds) replaces the usual, rising delay; retry=False gives
    the key up until it changes; status is reported to the source.
    """

    def __init__(
        self, detail: str, *, retry: bool = True, requeue_after: Optional[float] = None,
        status: Optional[Mapping[str, Json]] = None,
    ) -> None:
        super().__init__(detail)
        self.retry = retry
        self.requeue_after = requeue_after
        self.status = status


Returned = Union[None, Mapping[str, Json], Result]


@dataclass(frozen=True)
class Step:
    """A handler's part in one item: what to call with what, and how to read
    what it returns."""

    handler: Callable[[Any], Any]
    argument: Any
    read: Callable[[Returned], Dict[str, Json]]


def work_of(item: LeaseItem, resource: Resource, state: WorkState) -> Work:
    return Work(item.key, resource, item.reasons, item.attempt, state)


def read_status(returned: Returned) -> Dict[str, Json]:
    """The result of a reconcile: a status, a Result, or None for just done."""
    if isinstance(returned, Result):
        return _result(returned)
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise TypeError(f"a handler returns a status (a dict), a Result or None, not {type(returned).__name__}")
    return {"status": dict(returned)}


def read_deletion(returned: Returned) -> Dict[str, Json]:
    """The result of a cleanup: confirmed, unless it asks to come back."""
    result = read_status(returned)
    return result if "requeueAfter" in result else {**result, "deleted": True}


def read_requeue(returned: Returned) -> Dict[str, Json]:
    """The result of a source's handler, which has no status to report."""
    result = read_status(returned)
    if "status" in result:
        raise TypeError("a source reports no status: its handlers return a Result with requeue_after, or None")
    return result


def _result(result: Result) -> Dict[str, Json]:
    fields: Dict[str, Json] = {}
    if result.status is not None:
        fields["status"] = dict(result.status)
    if result.requeue_after is not None:
        fields["requeueAfter"] = duration(max(result.requeue_after, 0.001))
    return fields


def checked(result: Dict[str, Json]) -> Dict[str, Json]:
    """The result, if it can be sent; TypeError or ValueError otherwise."""
    json.dumps(result, allow_nan=False)
    return result


def failed(error: BaseException) -> Dict[str, Json]:
    """The result of a handler that raised."""
    try:
        return checked(_failed(error))
    except (TypeError, ValueError) as wrong:  # its status cannot be sent
        return _failed(wrong)


def _failed(error: BaseException) -> Dict[str, Json]:
    result: Dict[str, Json] = {"result": "failed", "error": describe(error)}
    if isinstance(error, Failure):
        result.update(_result(Result(error.status, error.requeue_after)))
        if not error.retry:
            result["retry"] = False
    return result


def describe(error: BaseException) -> str:
    """What people read in the list of dead keys."""
    if isinstance(error, Failure):
        return str(error)
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
