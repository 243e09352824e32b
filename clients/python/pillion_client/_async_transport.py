"""HTTP/1.1 on the sidecar's socket, for asyncio.

Connections are kept and shared by the tasks of one event loop. Cancelling a
call closes its connection.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Coroutine, Dict, Iterable, List, Optional, Set

from . import _http
from ._calls import Answer, Call, Pieces, problem
from ._endpoint import Endpoint
from ._transport import IDLE_KEPT, IDLE_SECONDS, MAX_ANSWER_BYTES, MAX_LINE_BYTES, BodyError, guarded_pieces
from .errors import SidecarError, UnreachableError, UntrustedError


class Connection:
    """One connection to the sidecar, not open at first."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._reader: Optional[asyncio.StreamReader] = None
        self._writer: Optional[asyncio.StreamWriter] = None
        self.keep = False  # whether another call may use it
        self.used = 0.0  # when it was given back

    @property
    def opened(self) -> bool:
        return self._writer is not None

    @property
    def reader(self) -> asyncio.StreamReader:
        assert self._reader
        return self._reader

    @property
    def writer(self) -> asyncio.StreamWriter:
        assert self._writer
        return self._writer

    async def open(self) -> None:
        at = self._endpoint
        if at.tls is None:
            opening = asyncio.open_unix_connection(at.socket, limit=_http.LINE_BYTES)
        else:
            opening = asyncio.open_connection(at.host, at.port, ssl=at.tls, limit=_http.LINE_BYTES)
        self._reader, self._writer = await opening

    @property
    def stale(self) -> bool:
        """Whether it is closed, or was idle for too long."""
        return self.reader.at_eof() or self.writer.is_closing() or time.monotonic() - self.used > IDLE_SECONDS

    def close(self) -> None:
        if self._writer:
            self._writer.transport.abort()

    def close_sending(self) -> None:
        """What the sidecar has sent can still be read, except over TLS."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.close()


class Interrupt:
    """Ends the calls that were given it.

    They see the end of the connection, except for an answer that is already
    under way: that still comes (on the Unix socket). So what a lease hands out
    is not lost between the two.
    """

    def __init__(self) -> None:
        self._connections: Set[Connection] = set()
        self.happened = False

    def set(self) -> None:
        self.happened = True
        for connection in self._connections:
            connection.close_sending()

    def add(self, connection: Connection) -> None:
        self._connections.add(connection)
        if self.happened:
            connection.close_sending()

    def discard(self, connection: Connection) -> None:
        self._connections.discard(connection)


class AsyncTransport:
    """Carries calls; for the tasks of one event loop."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self._idle: List[Connection] = []
        self._closed = False

    def close(self) -> None:
        """Closes the connections that no call uses; later ones are not kept."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def send(self, call: Call[Any], body: Pieces = None, interrupt: Optional[Interrupt] = None) -> Answer:
        """The answer of a call. Raises UnreachableError if there is none."""
        headers = {**call.all_headers(), **self.endpoint.headers()}
        try:
            async with self._connection(call.once, interrupt) as connection:
                asking = self._ask(connection, call, headers, body)
                return await asyncio.wait_for(asking, call.waits + self._timeout)
        except BodyError as error:
            raise error.cause from None

    async def _ask(self, connection: Connection, call: Call[Any], headers: Dict[str, str], body: Pieces) -> Answer:
        head = await self._exchange(connection, call, headers, body)
        whole = bytearray()
        async for piece in _http.read_body(connection.reader, head):
            whole += piece
            if len(whole) > MAX_ANSWER_BYTES:
                raise SidecarError("too_large", f"the answer has more than {MAX_ANSWER_BYTES} bytes; ask for less")
        connection.keep = head.keep_alive and (head.chunked or head.length is not None)
        return Answer(head.status, head.headers, bytes(whole))

    async def _exchange(
        self, connection: Connection, call: Call[Any], headers: Dict[str, str], body: Pieces,
    ) -> _http.Head:
        """Sends the request and reads the head of its answer."""
        writer, host = connection.writer, self.endpoint.authority
        if body is not None:
            writer.write(_http.request(call.method, call.target, host, {**headers, "Transfer-Encoding": "chunked"}, None))
            return await _while_reading(connection, _send_pieces(writer, body))
        writer.write(_http.request(call.method, call.target, host, headers, call.body))
        return await _while_reading(connection, writer.drain())

    @asynccontextmanager
    async def stream(self, call: Call[Any], silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that goes on. Silence is the seconds without
        any after which the connection counts as broken."""
        headers = self.endpoint.headers()
        async with self._connection(True, None) as connection:
            head = await asyncio.wait_for(self._exchange(connection, call, headers, None), silence)
            pieces = _http.read_body(connection.reader, head)
            if head.status >= 300:
                body = b"".join([piece async for piece in pieces])
                raise problem(Answer(head.status, head.headers, body))
            yield _lines(pieces, silence)

    @asynccontextmanager
    async def _connection(self, fresh: bool, interrupt: Optional[Interrupt]) -> AsyncIterator[Connection]:
        """An open connection, closed at the end unless it is to be kept."""
        connection = (None if fresh else self._take()) or Connection(self.endpoint)
        try:
            with _translated(self.endpoint, connection):
                if not connection.opened:
                    await asyncio.wait_for(connection.open(), self._timeout)
                if interrupt:
                    interrupt.add(connection)
                yield connection
        finally:
            if interrupt:
                interrupt.discard(connection)
                connection.keep = connection.keep and not interrupt.happened
            self._put(connection)

    def _take(self) -> Optional[Connection]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale:
                connection.keep = False
                return connection
            connection.close()
        return None

    def _put(self, connection: Connection) -> None:
        if not connection.keep or self._closed or len(self._idle) >= IDLE_KEPT:
            connection.close()
            return
        connection.used = time.monotonic()
        self._idle.append(connection)


class _translated:
    """Errors of the network as those of the API."""

    def __init__(self, endpoint: Endpoint, connection: Connection) -> None:
        self._endpoint, self._connection = endpoint, connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            detail = f"{self._endpoint}: {error.verify_message}: is ca_file the one that signed it?"
            raise UntrustedError("unavailable", detail) from error
        if isinstance(error, (OSError, EOFError, asyncio.TimeoutError, _http.HttpError)):
            detail = f"no answer: is the sidecar running? {self._endpoint}: {str(error) or type(error).__name__}"
            raise UnreachableError(detail, sent=self._connection.opened) from error


async def _send_pieces(writer: asyncio.StreamWriter, body: Iterable[bytes]) -> None:
    for piece in guarded_pieces(body):
        writer.write(_http.chunk(piece))
        await writer.drain()
    writer.write(_http.chunk(b""))


async def _while_reading(connection: Connection, sending: Coroutine[Any, Any, None]) -> _http.Head:
    """The head of the answer, which may come before all is sent: then the rest
    is not wanted, and the sidecar closes the connection."""
    sender = asyncio.ensure_future(sending)
    reader = asyncio.ensure_future(_http.read_head(connection.reader))
    try:
        await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
        if sender.done() and isinstance(sender.exception(), BodyError):
            sender.result()
        return await reader
    finally:
        reader.cancel()
        sender.cancel()


async def _lines(pieces: AsyncIterator[bytes], silence: float) -> AsyncIterator[bytes]:
    """Whole lines only: what a broken connection cut off is not one."""
    rest = bytearray()
    while True:
        try:
            piece = await asyncio.wait_for(pieces.__anext__(), silence)
        except StopAsyncIteration:
            return
        rest += piece
        if b"\n" not in piece:
            if len(rest) > MAX_LINE_BYTES:
                raise SidecarError("too_large", f"a line has more than {MAX_LINE_BYTES} bytes")
            continue
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in lines:
            yield bytes(line)
