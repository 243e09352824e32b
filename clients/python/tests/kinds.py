"""Both kinds of clients and workers behind one blocking face.

So that each story is told once and holds for both.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import unittest
from typing import Any, Callable, Iterator, Optional

from pillion_client import Agent, AsyncAgent, AsyncClient, AsyncSource, Client, Source


class Kind:
    """Makes clients and workers that end with the test."""

    def __init__(self, test: Any) -> None:
        self.test = test

    def client(self, socket: Optional[str] = None, **options: Any) -> Any:
        raise NotImplementedError

    def agent(self, client: Any, **options: Any) -> Any:
        raise NotImplementedError

    def source(self, client: Any, **options: Any) -> Any:
        raise NotImplementedError


class Running:
    """A worker that runs in a thread of its own until it is stopped."""

    def __init__(self, test: Any, run: Callable[[], None], stop: Callable[[], None]) -> None:
        self.error: Optional[BaseException] = None
        self._run, self._stop = run, stop
        self.thread = threading.Thread(target=self._guarded)
        self.thread.start()
        test.addCleanup(self.stop)

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self._stop()
        self.join()

    def join(self) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive(), "the worker does not end"


class Blocking(Kind):
    def client(self, socket: Optional[str] = None, **options: Any) -> Any:
        client = Client(socket, **options)
        self.test.addCleanup(client.close)
        return client

    def agent(self, client: Any, **options: Any) -> Any:
        return Agent(client, **options)

    def source(self, client: Any, **options: Any) -> Any:
        return Source(client, **options)

    def start(self, worker: Any) -> Running:
        return Running(self.test, lambda: worker.run(signals=False), worker.stop)


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def run(self, awaitable: Any) -> Any:
        async def awaited() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(awaited(), self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class BlockedClient:
    """An AsyncClient whose calls are awaited in the loop."""

    def __init__(self, loop: Loop, client: AsyncClient) -> None:
        self.loop, self.client = loop, client

    def __getattr__(self, name: str) -> Any:
        called = getattr(self.client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = called(*arguments, **options)
            if inspect.isawaitable(result):
                return self.loop.run(result)
            return BlockedIterator(self.loop, result) if hasattr(result, "__anext__") else result

        return call


class BlockedIterator:
    def __init__(self, loop: Loop, events: Any) -> None:
        self.loop, self.events = loop, events

    @property
    def revision(self) -> Optional[str]:
        return self.events.revision

    def __enter__(self) -> BlockedIterator:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.loop.run(self.events.aclose())

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self.loop.run(self.events.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


class Asyncio(Kind):
    def __init__(self, test: Any) -> None:
        super().__init__(test)
        self.loop = Loop()
        test.addCleanup(self.loop.close)

    def client(self, socket: Optional[str] = None, **options: Any) -> Any:
        client = AsyncClient(socket, **options)
        self.test.addCleanup(lambda: self.loop.loop.call_soon_threadsafe(client.close))
        return BlockedClient(self.loop, client)

    def agent(self, client: Any, **options: Any) -> Any:
        return AsyncAgent(client.client, **options)

    def source(self, client: Any, **options: Any) -> Any:
        return AsyncSource(client.client, **options)

    def start(self, worker: Any) -> Running:
        run = lambda: self.loop.run(worker.run(signals=False))
        return Running(self.test, run, lambda: self.loop.loop.call_soon_threadsafe(worker.stop))


def each_kind(cls: type) -> Any:
    """Makes two test cases of a class of stories; self.kind is what differs."""
    module = sys.modules[cls.__module__]
    for kind in (Blocking, Asyncio):
        name = f"{kind.__name__}{cls.__name__}"
        setattr(module, name, type(name, (cls, unittest.TestCase), {"make_kind": kind, "__module__": cls.__module__}))
    return cls


class Story:
    """The base of classes of stories."""

    make_kind: Callable[[Any], Any]

    def setUp(self) -> None:
        self.kind = type(self).make_kind(self)
