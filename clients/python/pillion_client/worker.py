"""Agents and sources whose handlers run in threads."""

from __future__ import annotations

import logging
import math
import signal
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager, nullcontext
from typing import Any, Deque, Dict, Iterator, List, Mapping, Optional

from . import _calls
from ._handlers import AgentHandlers, Handlers, SourceHandlers
from ._retry import Backoff, Tries, may_be_repeated
from ._transport import Interrupt
from ._work import RETURNED, STOPPED, WorkState, checked, failed
from .client import Client
from .errors import NotFoundError, SidecarError
from .model import Json, Key, LeaseItem

log = logging.getLogger("pillion_client")

POLL_SECONDS = 30.0
MOST_ITEMS = 1000  # of one lease


class Job:
    """An item that is leased. Its answer and its extensions take turns."""

    def __init__(self, item: LeaseItem, state: WorkState) -> None:
        self.item = item
        self.state = state
        self.sending = threading.Lock()
        self.answered = False
        self.renewed = time.monotonic()


class Worker(Handlers):
    """A reconcile loop on the sidecar's work queue.

    Up to concurrency handlers run at a time, each in a thread; those of one key
    never at the same time. While a handler works its lease is extended. What a
    handler raises makes the item fail: it comes back later, each time after a
    longer wait. The loop goes on over restarts of the sidecar.
    """

    def __init__(
        self, client: Optional[Client] = None, *, queue: str = "resources", concurrency: int = 4,
        lease_for: float = 60.0, stop_grace: float = 20.0,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        super().__init__()
        self.client = client or Client()
        self._queue, self._concurrency = queue, concurrency
        self._lease_for, self._stop_grace = lease_for, stop_grace
        self._changed = threading.Condition()  # guards what follows
        self._jobs: Dict[Key, Deque[Job]] = {}  # of one key the first one works
        self._count = 0
        self._stopping = False
        self._error: Optional[BaseException] = None
        self._asked = False  # to stop; set without a lock, by signal handlers
        self._wake: Optional[socket.socket] = None
        self._interrupt = Interrupt()
        self._ended = threading.Event()
        self._away = False  # the last lease failed

    def stop(self) -> None:
        """Asks run to end; from any thread or signal handler."""
        self._asked = True
        wake = self._wake
        if wake is not None:
            try:
                wake.send(b".")
            except OSError:
                pass  # full: it is being woken; closed: it has ended

    def run(self, *, signals: bool = True) -> None:
        """Works until stop, or SIGTERM and SIGINT if this is the main thread.

        Then it takes no more, lets handlers finish for up to stop_grace
        seconds, and gives the rest back; a second signal ends the process at
        once. It runs once. Raises the SidecarError that no trying again mends.
        """
        self._check()
        if self._wake is not None:
            raise RuntimeError("a worker runs once: make another one")
        asleep, self._wake = socket.socketpair()
        with asleep, self._wake:
            self._run(asleep, signals)
        if self._error:
            raise self._error

    def _run(self, asleep: socket.socket, signals: bool) -> None:
        leaser = threading.Thread(target=self._guarded, args=(self._lease_all,), name="pillion-lease", daemon=True)
        keeper = threading.Thread(target=self._guarded, args=(self._keep_all,), name="pillion-extend", daemon=True)
        with _stopped_by_signals(self) if signals else nullcontext():
            if self._asked:
                return
            leaser.start()
            keeper.start()
            asleep.recv(1)
        self._wind_down(leaser)
        keeper.join(1.0)

    def _guarded(self, part: Any) -> None:
        """Runs a part of the worker; if it fails the worker ends."""
        try:
            part()
        except BaseException as error:
            self._error = self._error or error
            self.stop()

    # Taking

    def _lease_all(self) -> None:
        backoff = Backoff()
        while True:
            free = self._await_place()
            if not free:
                return
            started = time.monotonic()
            items = self._lease(free)
            for item in items:
                self._start(item)
            if items:
                backoff.reset()
            elif time.monotonic() - started < 1.0:  # away, or ending
                self._rest(backoff.pause())

    def _lease(self, most: int) -> List[LeaseItem]:
        """Waits for items. There are none if the sidecar is away or busy."""
        call = _calls.lease(self._queue, min(most, MOST_ITEMS), POLL_SECONDS, self._lease_for, self._data_types())
        try:
            items = self.client._once(call, self._interrupt)
            self._away = False
            return items
        except SidecarError as error:
            if self._stopping:
                return []
            if not may_be_repeated(error) and error.status < 500:
                raise
            log.log(logging.DEBUG if self._away else logging.WARNING, "cannot lease, trying again: %s", error)
            self._away = True
            self._rest(error.retry_after)
            return []

    def _await_place(self) -> int:
        """How many more may be taken; 0 when stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._count < self._concurrency)
            return 0 if self._stopping else self._concurrency - self._count

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _start(self, item: LeaseItem) -> None:
        job = Job(item, WorkState(lambda: self._stopping))
        with self._changed:
            self._jobs.setdefault(item.key, deque()).append(job)
            self._count += 1
        threading.Thread(target=self._work, args=(job,), name=f"pillion-{item.key.id}", daemon=True).start()

    # Working

    def _work(self, job: Job) -> None:
        try:
            self._answer(job, self._handle(job) if self._await_turn(job) else RETURNED)
        finally:
            self._forget(job)

    def _await_turn(self, job: Job) -> bool:
        """Waits for an earlier handler of the same key, whose lease was lost.
        False when the worker stops before that."""
        key = job.item.key
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._jobs[key][0] is job)
            return not self._stopping and not job.state.lost

    def _handle(self, job: Job) -> Mapping[str, Json]:
        step = self._step(job.item, job.state)
        if step is None:
            return {}
        try:
            return checked(step.read(step.handler(step.argument)))
        except Exception as error:
            log.warning("handler failed: %s", job.item.key, exc_info=True)
            return failed(error)

    def _forget(self, job: Job) -> None:
        with self._changed:
            jobs = self._jobs[job.item.key]
            jobs.remove(job)
            if not jobs:
                del self._jobs[job.item.key]
            self._count -= 1
            self._changed.notify_all()

    # Answering

    def _answer(self, job: Job, result: Mapping[str, Json]) -> None:
        """Sends the result until it is taken, or the lease is gone. One that is
        refused becomes a failure."""
        refusal = self._send(job, result)
        if refusal is None:
            return
        log.warning("result refused: %s: %s", job.item.key, refusal)
        if result.get("result") != "failed" or "status" in result:
            self._send(job, failed(refusal))

    def _send(self, job: Job, result: Mapping[str, Json]) -> Optional[SidecarError]:
        call = _calls.answer(job.item.lease, result)
        tries = Tries(call, math.inf)
        while not job.state.lost and not self._ended.is_set():
            try:
                with job.sending:
                    tries.value(self.client._transport.send(call))
                    job.answered = True
                return None
            except NotFoundError:
                return None  # it has lapsed, and comes back
            except SidecarError as error:
                if not may_be_repeated(error):
                    return error
                self._ended.wait(tries.pause(error))
        return None

    # Extending

    def _keep_all(self) -> None:
        while not self._ended.wait(self._lease_for / 12):
            for job in self._unrenewed():
                self._keep(job)

    def _unrenewed(self) -> List[Job]:
        before = time.monotonic() - self._lease_for / 3
        with self._changed:
            return [job for jobs in self._jobs.values() for job in jobs if job.renewed <= before and not job.state.lost]

    def _keep(self, job: Job) -> None:
        with job.sending:
            if job.answered:
                return
            try:
                self.client._once(_calls.extend(job.item.lease, self._lease_for, None))
                job.renewed = time.monotonic()
            except NotFoundError:
                job.state.lost = True
                log.warning("lease lost while its handler works: %s", job.item.key)
            except SidecarError as error:
                log.debug("cannot extend: %s: %s", job.item.key, error)

    # Ending

    def _wind_down(self, leaser: threading.Thread) -> None:
        until = time.monotonic() + self._stop_grace
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._interrupt.set()
        leaser.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._changed.wait_for(lambda: not self._count, max(0.0, until - time.monotonic()))
            left = [jobs[0] for jobs in self._jobs.values()]
        self._ended.set()
        for job in left:
            self._give_up(job)

    def _give_up(self, job: Job) -> None:
        """Hands back what a handler would not finish."""
        log.warning("handler did not finish in time: %s", job.item.key)
        if not job.sending.acquire(timeout=1.0):
            return  # its result is just being sent
        try:
            if not job.answered and not job.state.lost:
                self.client._once(_calls.answer(job.item.lease, STOPPED))
        except SidecarError as error:
            log.warning("cannot give back: %s: %s", job.item.key, error)
        finally:
            job.sending.release()


@contextmanager
def _stopped_by_signals(worker: Worker) -> Iterator[None]:
    """Until the first SIGTERM or SIGINT; a second one does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, lambda *_: worker.stop()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Agent(AgentHandlers, Worker):
    """The app of an agent: handlers for specs and deletions."""


class Source(SourceHandlers, Worker):
    """The app of a source: handlers for statuses and finished deletions."""
