"""The client for asyncio: that of client.py, to be awaited."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, Iterable, List, Mapping, Optional, Sequence, TypeVar

from . import _calls
from ._async_transport import AsyncTransport, Interrupt
from ._async_watch import AsyncWatch
from ._calls import ApplyBody, Call, Wait
from ._endpoint import Endpoint
from ._follow import Follow
from ._retry import Tries
from .errors import SidecarError
from .model import (
    ApplyResult, DeadItem, Declaration, Json, Key, LeaseItem, Page, QueueStats, Resource,
)

T = TypeVar("T")


class AsyncClient:
    """Calls one sidecar from the tasks of one event loop.

    Its arguments, calls and errors are those of
    :class:`~pillion_client.Client`. Cancelling a task ends its call at once;
    whether a write was taken is then not known, and it may be repeated.
    """

    def __init__(
        self,
        socket: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        ca_file: Optional[str] = None,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
        retry_for: float = 30.0,
        timeout: float = 30.0,
    ) -> None:
        endpoint = Endpoint(socket, base_url=base_url, ca_file=ca_file, token=token, token_file=token_file)
        self._transport = AsyncTransport(endpoint, timeout)
        self._retry_for = retry_for

    def close(self) -> None:
        """Closes the connections that no call uses."""
        self._transport.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _do(self, call: Call[T], body: Optional[ApplyBody] = None) -> T:
        tries = Tries(call, self._retry_for)
        while True:
            try:
                return tries.value(await self._transport.send(call, body))
            except SidecarError as error:
                if body and body.begun:
                    raise
                pause = tries.pause(error)
            await asyncio.sleep(pause)

    async def _once(self, call: Call[T], interrupt: Optional[Interrupt] = None) -> T:
        """One try, which may be interrupted."""
        return call.value(await self._transport.send(call, interrupt=interrupt))

    # Resources

    async def get(self, data_type: str, cluster: str, id: str, *, source: Optional[str] = None) -> Resource:
        """One resource. At an agent source names one of two with the same id."""
        return await self._do(_calls.get(data_type, cluster, id, source))

    async def list(
        self, *, data_type: Optional[str] = None, cluster: Optional[str] = None, source: Optional[str] = None,
        state: Optional[str] = None, limit: Optional[int] = None,
    ) -> AsyncIterator[Resource]:
        """Every resource that fits, in pages of limit. All are of one snapshot;
        ExpiredError if it lapses in between (30 s after the last page)."""
        cursor = None
        while cursor != "":
            page = await self.page(data_type=data_type, cluster=cluster, source=source, state=state, limit=limit, cursor=cursor)
            for resource in page.items:
                yield resource
            cursor = page.cursor

    async def page(
        self, *, data_type: Optional[str] = None, cluster: Optional[str] = None, source: Optional[str] = None,
        state: Optional[str] = None, limit: Optional[int] = None, cursor: Optional[str] = None,
    ) -> Page:
        """One page of a list, with the revision from which a watch goes on."""
        return await self._do(_calls.page(_calls.filters(data_type, cluster, source), state, limit, cursor))

    async def put(
        self, data_type: str, cluster: str, id: str, spec: Json, *, metadata: Optional[Mapping[str, Json]] = None,
        version: Optional[int] = None, content_type: Optional[str] = None, if_match: Optional[str] = None,
        if_none_match: bool = False, wait: Optional[str] = None, timeout: float = 30.0,
    ) -> Resource:
        """Declares a resource at a source; nothing happens if it is so already.

        A spec of bytes needs a content_type. if_match is a revision,
        if_none_match means "only if there is none": PreconditionFailedError.
        wait is "published" or "observed", for timeout seconds:
        DeadlineExceededError, and the write stays.
        """
        return await self._do(_calls.put(
            data_type, cluster, id, spec, content_type, metadata, version, if_match, if_none_match, Wait(wait, timeout),
        ))

    async def patch(
        self, data_type: str, cluster: str, id: str, merge: Mapping[str, Json], *, if_match: Optional[str] = None,
        wait: Optional[str] = None, timeout: float = 30.0,
    ) -> Resource:
        """Merges into a resource at a source (RFC 7386): {"spec": {…}}."""
        return await self._do(_calls.patch(data_type, cluster, id, merge, if_match, Wait(wait, timeout)))

    async def set_status(
        self, data_type: str, cluster: str, id: str, status: Mapping[str, Json], *, version: Optional[int] = None,
        source: Optional[str] = None, merge: bool = False, wait: Optional[str] = None, timeout: float = 30.0,
    ) -> Resource:
        """Reports a status at an agent, or merges into it. version is that of
        the spec which it is about, by default the one held."""
        return await self._do(_calls.set_status(data_type, cluster, id, status, version, source, merge, Wait(wait, timeout)))

    async def delete(
        self, data_type: str, cluster: str, id: str, *, force: bool = False, source: Optional[str] = None,
        if_match: Optional[str] = None, wait: Optional[str] = None, timeout: float = 30.0,
    ) -> Optional[Resource]:
        """Asks for deletion at a source; confirms it at an agent.

        Returns the resource while its deletion lasts, None when it is gone;
        wait="observed" waits for that. force forgets it at once.
        """
        return await self._do(_calls.delete(data_type, cluster, id, force, source, if_match, Wait(wait, timeout)))

    async def delete_cluster(self, cluster: str) -> int:
        """Forgets every resource of a cluster that is no more; how many."""
        return await self._do(_calls.delete_cluster(cluster))

    async def apply(
        self, items: Iterable[Declaration], *, prune: bool = False, data_type: Optional[str] = None,
        cluster: Optional[str] = None,
    ) -> ApplyResult:
        """Declares many in one go, streamed. prune deletes what is in the scope
        of data_type and cluster and not among the items. Raises ApplyError,
        with the result, if items failed."""
        return await self._do(_calls.apply(prune, data_type, cluster), ApplyBody(items, prune))

    def watch(
        self, *, data_type: Optional[str] = None, cluster: Optional[str] = None, source: Optional[str] = None,
        since: Optional[str] = None,
    ) -> AsyncWatch:
        """Changes as they happen, for as long as you read; see AsyncWatch."""
        return AsyncWatch(self._transport, Follow(_calls.filters(data_type, cluster, source), since))

    # Queues

    async def lease(
        self, queue: str = "resources", *, max: int = 1, wait: float = 0.0, lease_for: float = 60.0,
        data_types: Sequence[str] = (),
    ) -> List[LeaseItem]:
        """Takes up to max items of work; waits up to wait seconds (60) for the
        first. They are yours for lease_for seconds (1 to 3600)."""
        return await self._do(_calls.lease(queue, max, wait, lease_for, data_types))

    async def answer(self, lease: str, result: Optional[Mapping[str, Json]] = None) -> None:
        """Ends a lease with a result as docs/api.md has it; {} is done.
        NotFoundError if it was answered or has lapsed: nothing was changed."""
        await self._do(_calls.answer(lease, result or {}))

    async def extend(self, lease: str, lease_for: float = 60.0, *, status: Optional[Mapping[str, Json]] = None) -> None:
        """Keeps a lease for so many seconds from now, and may report a status."""
        await self._do(_calls.extend(lease, lease_for, status))

    async def queues(self) -> List[QueueStats]:
        """The state of every queue."""
        return await self._do(_calls.queues())

    async def queue(self, name: str = "resources") -> QueueStats:
        """The state of one queue."""
        return await self._do(_calls.queue(name))

    async def dead(self, queue: str = "resources") -> List[DeadItem]:
        """The keys that were given up."""
        return await self._do(_calls.dead(queue))

    async def retry_dead(self, key: Optional[Key] = None, *, queue: str = "resources") -> int:
        """Brings a dead key back, or all; how many."""
        return await self._do(_calls.retry_dead(queue, key))

    async def requeue(self, key: Optional[Key] = None, *, queue: str = "resources") -> int:
        """Puts a key into the queue again, or all, for an app that has lost its
        memory; how many."""
        return await self._do(_calls.requeue(queue, key))

    # Control

    async def resync(self, *, cluster: Optional[str] = None, source: Optional[str] = None) -> None:
        """Asks the other side again, now."""
        await self._do(_calls.resync(cluster, source))

    async def synced(self, *, data_type: Optional[str] = None, cluster: Optional[str] = None) -> None:
        """Says that everything in that scope is declared (No deletion storm)."""
        await self._do(_calls.synced(data_type, cluster))

    async def status(self) -> Dict[str, Any]:
        """The state of the sidecar, as GET /v1/status has it."""
        return await self._do(_calls.status())
