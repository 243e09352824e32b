"""When a call is made again, and after how long.

The API says which errors may be repeated as they are: 429, 503, 408 and a
broken connection (docs/api.md, Errors). 504 may be, too, but is the caller's
own deadline, so it is the caller's to decide.
"""

from __future__ import annotations

import random
import time
from typing import Generic, Optional, TypeVar

from ._calls import Answer, Call
from .errors import NotFoundError, SidecarError, TooManyRequestsError, UnavailableError, UnreachableError

T = TypeVar("T")

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Backoff:
    """Pauses that double, with jitter, up to a second; what the sidecar asks
    for with Retry-After is the least."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def reset(self) -> None:
        self._next = FIRST_PAUSE

    def pause(self, error: Optional[SidecarError] = None) -> float:
        pause = self._next * random.uniform(0.5, 1.0)
        self._next = min(2 * self._next, LONGEST_PAUSE)
        return max(pause, error.retry_after if error else 0.0)


def may_be_repeated(error: SidecarError) -> bool:
    return isinstance(error, (TooManyRequestsError, UnavailableError)) or error.code == "timeout"


class Tries(Generic[T]):
    """The tries of one call, for at most so many seconds after the first."""

    def __init__(self, call: Call[T], retry_for: float) -> None:
        self._call = call
        self._until = time.monotonic() + retry_for
        self._backoff = Backoff()
        self._lost = False  # an answer was lost: the call may have been taken

    def value(self, answer: Answer) -> T:
        """The value of an answer; one that says "already done" is as good."""
        try:
            return self._call.value(answer)
        except NotFoundError:
            if self._lost and self._call.taken:
                return self._call.taken()
            raise

    def pause(self, error: SidecarError) -> float:
        """Seconds until the next try. Raises the error if there is none."""
        sent = isinstance(error, UnreachableError) and error.sent
        self._lost = self._lost or sent
        pause = self._backoff.pause(error)
        if not may_be_repeated(error) or (sent and self._call.once) or time.monotonic() + pause > self._until:
            raise error
        return pause
