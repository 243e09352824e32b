"""Where a watch goes on after it broke, and whether it does.

Both clients' watches are this state with another way of reading lines.
"""

from __future__ import annotations

import json
from typing import Dict, Mapping, Optional

from ._calls import Call
from ._retry import Backoff, may_be_repeated
from .errors import ExpiredError, SidecarError, UnreachableError, from_problem
from .model import Event, Json

SILENCE = 45.0
"""Seconds without a line after which a watch is broken: a bookmark comes every
15 s."""


class Follow:
    """The state of a watch over its connections."""

    def __init__(self, filters: Mapping[str, str], since: Optional[str]) -> None:
        self._filters = filters
        self.revision = since
        self._told = False  # something of the present listing was told
        self._backoff = Backoff()

    def call(self) -> Call[Json]:
        query: Dict[str, str] = {**self._filters, "watch": "true"}
        if self.revision is not None:
            query["since"] = self.revision
        return Call("GET", "/v1/resources", lambda _, o: o, query=query)

    def restarted(self) -> Optional[Event]:
        """What to tell before the next connection, if it begins anew."""
        if self.revision is not None or not self._told:
            return None
        self._told = False
        return Event("RESTARTED")

    def event(self, line: bytes) -> Event:
        """The event of a line. Raises the SidecarError that ends the watch."""
        o = self._decode(line)
        if o["type"] == "ERROR":
            raise from_problem(o.get("error"), status=_status(o.get("error")))
        event = Event.from_json(o)
        self._note(event)
        return event

    @staticmethod
    def _decode(line: bytes) -> Dict[str, Json]:
        try:
            o = json.loads(line)
        except ValueError as error:
            raise UnreachableError(f"the watch cannot be read: {error}", sent=True) from error
        if not isinstance(o, dict) or "type" not in o:
            raise UnreachableError("the watch cannot be read: a line without a type", sent=True)
        return o

    def _note(self, event: Event) -> None:
        """Before SYNCED the resources are in no order of revisions, so that
        until then there is nowhere to go on from."""
        self._told = True
        self._backoff.reset()
        if event.type in ("SYNCED", "BOOKMARK"):
            self.revision = event.revision
        elif self.revision is not None and event.resource:
            self.revision = event.resource.revision

    def mend(self, error: Optional[SidecarError]) -> float:
        """Seconds until the next connection. Raises an error that trying again
        does not mend. None is the plain end of a stream."""
        if isinstance(error, ExpiredError):
            self.revision, self._told = None, True
        elif error and not may_be_repeated(error):
            raise error
        return self._backoff.pause(error)


def _status(problem: Json) -> int:
    status = problem.get("status") if isinstance(problem, Mapping) else None
    return status if isinstance(status, int) else 500
