"""The watch for asyncio."""

from __future__ import annotations

import asyncio
from typing import AsyncGenerator, Optional

from ._async_transport import AsyncTransport
from ._follow import SILENCE, Follow
from .errors import SidecarError
from .model import Event


class AsyncWatch:
    """Changes, in the order of their revisions, for as long as it is read.

    It is :class:`~pillion_client.Watch` for async for. It ends with aclose, at
    the end of an async with block, or when the task that reads it is cancelled.
    """

    def __init__(self, transport: AsyncTransport, follow: Follow) -> None:
        self._transport = transport
        self._follow = follow
        self._events = self._read()

    @property
    def revision(self) -> Optional[str]:
        return self._follow.revision

    async def aclose(self) -> None:
        await self._events.aclose()

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> Event:
        return await self._events.__anext__()

    async def _read(self) -> AsyncGenerator[Event, None]:
        while True:
            restarted = self._follow.restarted()
            if restarted:
                yield restarted
            error: Optional[SidecarError] = None
            try:
                async with self._transport.stream(self._follow.call(), SILENCE) as lines:
                    async for line in lines:
                        yield self._follow.event(line)
            except SidecarError as broken:
                error = broken
            await asyncio.sleep(self._follow.mend(error))
