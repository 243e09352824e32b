"""The blocking watch."""

from __future__ import annotations

import threading
from typing import Generator, Optional

from ._follow import SILENCE, Follow
from ._transport import Interrupt, Transport
from .errors import SidecarError
from .model import Event


class Watch:
    """Changes, in the order of their revisions, for as long as it is read.

    It goes on over broken connections and restarts of the sidecar from where it
    was. When that is not possible any more it tells RESTARTED and then all that
    there is, up to SYNCED. revision is where it would go on: to be given as
    since to a later watch; None until SYNCED. close ends it, from another
    thread too, as leaving a with block does. Errors that trying again does not
    mend are raised.
    """

    def __init__(self, transport: Transport, follow: Follow) -> None:
        self._transport = transport
        self._follow = follow
        self._interrupt = Interrupt()
        self._ended = threading.Event()
        self._events = self._read()

    @property
    def revision(self) -> Optional[str]:
        return self._follow.revision

    def close(self) -> None:
        self._ended.set()
        self._interrupt.set()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._events.close()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def _read(self) -> Generator[Event, None, None]:
        while not self._ended.is_set():
            restarted = self._follow.restarted()
            if restarted:
                yield restarted
            error: Optional[SidecarError] = None
            try:
                with self._transport.stream(self._follow.call(), SILENCE, self._interrupt) as lines:
                    for line in lines:
                        yield self._follow.event(line)
            except SidecarError as broken:
                error = broken
            if self._ended.is_set():
                return
            self._ended.wait(self._follow.mend(error))
