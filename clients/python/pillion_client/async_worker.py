"""Agents and sources whose handlers run in an event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, Dict, Iterator, List, Mapping, Optional

from . import _calls
from ._async_transport import Interrupt
from ._handlers import AgentHandlers, Handlers, SourceHandlers
from ._retry import Backoff, Tries, may_be_repeated
from ._work import RETURNED, STOPPED, Step, WorkState, checked, failed
from .async_client import AsyncClient
from .errors import NotFoundError, SidecarError
from .model import Json, Key, LeaseItem
from .worker import MOST_ITEMS, POLL_SECONDS

log = logging.getLogger("pillion_client")


class Job:
    """An item that is leased. Its answer and its extensions take turns."""

    def __init__(self, item: LeaseItem, state: WorkState) -> None:
        self.item = item
        self.state = state
        self.sending = asyncio.Lock()
        self.answered = False


class AsyncWorker(Handlers):
    """A reconcile loop on the sidecar's work queue.

    It is :class:`~pillion_client.worker.Worker` with tasks in place of threads.
    Handlers are async functions; plain ones run in a thread each.
    """

    def __init__(
        self, client: Optional[AsyncClient] = None, *, queue: str = "resources", concurrency: int = 4,
        lease_for: float = 60.0, stop_grace: float = 20.0,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        super().__init__()
        self.client = client or AsyncClient()
        self._queue, self._concurrency = queue, concurrency
        self._lease_for, self._stop_grace = lease_for, stop_grace
        self._tasks: Dict[asyncio.Task[None], Job] = {}
        self._latest: Dict[Key, asyncio.Task[None]] = {}  # a key's newest
        self._threads: Optional[ThreadPoolExecutor] = None  # of plain handlers
        self._stop: Optional[asyncio.Event] = None
        self._asked = False
        self._interrupt = Interrupt()
        self._away = False  # the last lease failed

    def stop(self) -> None:
        """Asks run to end; from the event loop's thread."""
        self._asked = True
        if self._stop:
            self._stop.set()

    async def run(self, *, signals: bool = True) -> None:
        """Works until stop, or SIGTERM and SIGINT if signals.

        Then it takes no more, lets handlers finish for up to stop_grace
        seconds, cancels those that have not, and gives the rest back; a second
        signal ends the process at once. Being cancelled, it does so without
        grace. It runs once. Raises the SidecarError that no trying again mends.
        """
        self._check()
        if self._stop:
            raise RuntimeError("a worker runs once: make another one")
        self._stop = asyncio.Event()
        if self._asked:
            self._stop.set()
        grace = 0.0
        leaser = asyncio.ensure_future(self._lease_all())
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            with _stopped_by_signals(self) if signals else nullcontext():
                await asyncio.wait({leaser, stopped}, return_when=asyncio.FIRST_COMPLETED)
            grace = self._stop_grace
        finally:
            stopped.cancel()
            await asyncio.shield(self._wind_down(leaser, grace))
        if not leaser.cancelled():
            leaser.result()

    # Taking

    async def _lease_all(self) -> None:
        assert self._stop
        backoff = Backoff()
        while not self._stop.is_set():
            free = self._concurrency - len(self._tasks)
            if not free:
                await self._await_place()
                continue
            started = time.monotonic()
            items = await self._lease(free)
            for item in items:
                self._start(item)
            if items:
                backoff.reset()
            elif time.monotonic() - started < 1.0:  # away, or ending
                await self._rest(backoff.pause())

    async def _lease(self, most: int) -> List[LeaseItem]:
        """Waits for items. There are none if the sidecar is away or busy."""
        assert self._stop
        call = _calls.lease(self._queue, min(most, MOST_ITEMS), POLL_SECONDS, self._lease_for, self._data_types())
        try:
            items = await self.client._once(call, self._interrupt)
            self._away = False
            return items
        except SidecarError as error:
            if self._stop.is_set():
                return []
            if not may_be_repeated(error) and error.status < 500:
                raise
            log.log(logging.DEBUG if self._away else logging.WARNING, "cannot lease, trying again: %s", error)
            self._away = True
            await self._rest(error.retry_after)
            return []

    async def _await_place(self) -> None:
        """Waits until a handler has ended, or for stop."""
        assert self._stop
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({stop, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    async def _rest(self, seconds: float) -> None:
        assert self._stop
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    def _start(self, item: LeaseItem) -> None:
        assert self._stop
        job = Job(item, WorkState(self._stop.is_set))
        task = asyncio.ensure_future(self._work(job, self._latest.get(item.key)))
        self._tasks[task] = job
        self._latest[item.key] = task
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        key = self._tasks.pop(task).item.key
        if self._latest.get(key) is task:
            del self._latest[key]

    # Working

    async def _work(self, job: Job, earlier: Optional[asyncio.Task[None]]) -> None:
        keeper = asyncio.ensure_future(self._keep(job))
        try:
            mine = await self._await_turn(job, earlier)
            await self._answer(job, await self._handle(job) if mine else RETURNED)
        finally:
            keeper.cancel()

    async def _await_turn(self, job: Job, earlier: Optional[asyncio.Task[None]]) -> bool:
        """Waits for an earlier handler of the same key, whose lease was lost.
        False when the worker stops before that."""
        assert self._stop
        if earlier:
            await _first_of(earlier, self._stop)
        return not self._stop.is_set() and not job.state.lost

    async def _handle(self, job: Job) -> Mapping[str, Json]:
        step = self._step(job.item, job.state)
        if step is None:
            return {}
        try:
            return checked(step.read(await self._call(step)))
        except Exception as error:
            log.warning("handler failed: %s", job.item.key, exc_info=True)
            return failed(error)

    async def _call(self, step: Step) -> Any:
        if inspect.iscoroutinefunction(step.handler):
            return await step.handler(step.argument)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._concurrency, "pillion")
        return await asyncio.get_running_loop().run_in_executor(self._threads, step.handler, step.argument)

    # Answering

    async def _answer(self, job: Job, result: Mapping[str, Json]) -> None:
        """Sends the result until it is taken, or the lease is gone. One that is
        refused becomes a failure."""
        refusal = await self._send(job, result)
        if refusal is not None:
            log.warning("result refused: %s: %s", job.item.key, refusal)
            if result.get("result") != "failed" or "status" in result:
                await self._send(job, failed(refusal))
        job.answered = True

    async def _send(self, job: Job, result: Mapping[str, Json]) -> Optional[SidecarError]:
        call = _calls.answer(job.item.lease, result)
        tries = Tries(call, math.inf)
        while not job.state.lost:
            try:
                async with job.sending:
                    tries.value(await self.client._transport.send(call))
                    job.answered = True
                return None
            except NotFoundError:
                return None  # it has lapsed, and comes back
            except SidecarError as error:
                if not may_be_repeated(error):
                    return error
                await asyncio.sleep(tries.pause(error))
        return None

    # Extending

    async def _keep(self, job: Job) -> None:
        while not job.state.lost:
            await asyncio.sleep(self._lease_for / 3)
            while not await self._extend(job):
                await asyncio.sleep(self._lease_for / 12)

    async def _extend(self, job: Job) -> bool:
        """Tells whether there is nothing to do for now."""
        async with job.sending:
            if job.answered:
                return True
            try:
                await self.client._once(_calls.extend(job.item.lease, self._lease_for, None))
                return True
            except NotFoundError:
                job.state.lost = True
                log.warning("lease lost while its handler works: %s", job.item.key)
                return True
            except SidecarError as error:
                log.debug("cannot extend: %s: %s", job.item.key, error)
                return False

    # Ending

    async def _wind_down(self, leaser: asyncio.Task[None], grace: float) -> None:
        self.stop()
        self._interrupt.set()
        until = time.monotonic() + grace
        await asyncio.wait({leaser}, timeout=max(grace, 1.0))
        leaser.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.keys(), timeout=max(0.0, until - time.monotonic()))
        left = dict(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*map(self._give_up, left.values()))
        if left:
            await asyncio.wait(left.keys(), timeout=1.0)
        if self._threads:
            self._threads.shutdown(wait=False)

    async def _give_up(self, job: Job) -> None:
        """Hands back what a handler would not finish."""
        log.warning("handler did not finish in time: %s", job.item.key)
        try:
            await asyncio.wait_for(self._hand_back(job), 5.0)
        except (SidecarError, asyncio.TimeoutError) as error:
            log.warning("cannot give back: %s: %s", job.item.key, error)

    async def _hand_back(self, job: Job) -> None:
        async with job.sending:
            if not job.answered and not job.state.lost:
                await self.client._once(_calls.answer(job.item.lease, STOPPED))


async def _first_of(task: asyncio.Task[None], event: asyncio.Event) -> None:
    happened = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, happened}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happened.cancel()


@contextmanager
def _stopped_by_signals(worker: AsyncWorker) -> Iterator[None]:
    """Until the first SIGTERM or SIGINT; a second one does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, worker.stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


class AsyncAgent(AgentHandlers, AsyncWorker):
    """The app of an agent: handlers for specs and deletions."""


class AsyncSource(SourceHandlers, AsyncWorker):
    """The app of a source: handlers for statuses and finished deletions."""
