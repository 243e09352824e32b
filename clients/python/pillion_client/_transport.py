"""HTTP/1.1 on the sidecar's socket, blocking, by the standard library's client.

Connections are kept and shared by threads. They are given up before the
sidecar would close them (2 minutes), and one that the sidecar has closed is not
used again.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set

from ._calls import Answer, Call, Pieces, problem
from ._endpoint import Endpoint
from .errors import SidecarError, UnreachableError, UntrustedError

IDLE_SECONDS = 60.0
IDLE_KEPT = 32
MAX_ANSWER_BYTES = 1 << 30
MAX_LINE_BYTES = 64 << 20
PIECE_BYTES = 64 << 10


class Connection(http.client.HTTPConnection):
    """One connection to the sidecar."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        super().__init__(endpoint.authority, timeout=timeout)
        self.endpoint = endpoint
        self.opened = False
        self.keep = False  # whether another call may use it
        self.used = 0.0  # when it was given back
        self.auto_open = 0  # a connection that broke is not opened again unnoticed

    def connect(self) -> None:
        self.sock = self._open()
        self.opened = True

    def _open(self) -> socket.socket:
        at = self.endpoint
        if at.tls is None:
            unix = socket.socket(socket.AF_UNIX)
            unix.settimeout(self.timeout)
            try:
                unix.connect(at.socket)
            except OSError:
                unix.close()
                raise
            return unix
        plain = socket.create_connection((at.host, at.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return at.tls.wrap_socket(plain, server_hostname=at.host)
        except OSError:
            plain.close()
            raise

    @property
    def stale(self) -> bool:
        """Whether it is closed, or was idle for too long."""
        if self.sock is None or time.monotonic() - self.used > IDLE_SECONDS:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))  # readable while nothing is asked: the end


class Interrupt:
    """Ends the calls that were given it, from another thread.

    They see the end of the connection, except for an answer that is already
    under way: that still comes, because only the sending side is closed. So
    what a lease hands out is never lost between the two.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: Set[socket.socket] = set()
        self.happened = False

    def set(self) -> None:
        with self._lock:
            self.happened = True
            for open_socket in self._sockets:
                _close_sending(open_socket)

    @contextmanager
    def guard(self, open_socket: socket.socket) -> Iterator[None]:
        with self._lock:
            self._sockets.add(open_socket)
            if self.happened:
                _close_sending(open_socket)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(open_socket)


def _close_sending(open_socket: socket.socket) -> None:
    try:
        # The plain socket's method: TLS would forget how to read the answer.
        socket.socket.shutdown(open_socket, socket.SHUT_WR)
    except OSError:
        pass  # closed already


class Transport:
    """Carries calls; safe for concurrent use by threads."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: List[Connection] = []
        self._closed = False

    def close(self) -> None:
        """Closes the connections that no call uses; later ones are not kept."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def send(self, call: Call[Any], body: Pieces = None, interrupt: Optional[Interrupt] = None) -> Answer:
        """The answer of a call. Raises UnreachableError if there is none."""
        try:
            with self._connection(fresh=call.once) as connection, _guarded(connection, interrupt):
                response = self._ask(connection, call, body, call.waits + self._timeout)
                answer = Answer(response.status, _headers(response), _read(response))
                connection.keep = not response.will_close and not (interrupt and interrupt.happened)
                return answer
        except BodyError as error:
            raise error.cause from None

    @contextmanager
    def stream(self, call: Call[Any], silence: float, interrupt: Interrupt) -> Iterator[Iterator[bytes]]:
        """The lines of an answer that goes on. Silence is the seconds without
        any after which the connection counts as broken."""
        with self._connection(fresh=True) as connection, _guarded(connection, interrupt):
            response = self._ask(connection, call, None, silence)
            if response.status >= 300:
                raise problem(Answer(response.status, _headers(response), _read(response)))
            yield _lines(response)

    @contextmanager
    def _connection(self, fresh: bool) -> Iterator[Connection]:
        """A connected connection, closed at the end unless it is to be kept."""
        connection = (None if fresh else self._take()) or Connection(self.endpoint, self._timeout)
        try:
            with self._translated(connection):
                if not connection.opened:
                    connection.connect()
                yield connection
        finally:
            if not (connection.keep and self._put(connection)):
                connection.close()

    def _take(self) -> Optional[Connection]:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.stale:
                connection.keep = False
                return connection
            connection.close()

    def _put(self, connection: Connection) -> bool:
        connection.used = time.monotonic()
        with self._lock:
            if self._closed or len(self._idle) >= IDLE_KEPT:
                return False
            self._idle.append(connection)
            return True

    def _ask(self, connection: Connection, call: Call[Any], body: Pieces, patience: float) -> http.client.HTTPResponse:
        headers = {**call.all_headers(), **self.endpoint.headers()}
        connection.sock.settimeout(patience)
        try:
            if body is None:
                connection.request(call.method, call.target, call.body, headers)
            else:
                chunked = {**headers, "Transfer-Encoding": "chunked"}
                connection.request(call.method, call.target, guarded_pieces(body), chunked, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a sidecar that does not want the rest has answered before it closed
        return connection.getresponse()

    @contextmanager
    def _translated(self, connection: Connection) -> Iterator[None]:
        """Errors of the network as those of the API."""
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            detail = f"{self.endpoint}: {error.verify_message}: is ca_file the one that signed it?"
            raise UntrustedError("unavailable", detail) from error
        except (OSError, http.client.HTTPException) as error:
            detail = f"no answer: is the sidecar running? {self.endpoint}: {str(error) or type(error).__name__}"
            raise UnreachableError(detail, sent=connection.opened) from error


@contextmanager
def _guarded(connection: Connection, interrupt: Optional[Interrupt]) -> Iterator[None]:
    if interrupt is None:
        yield
        return
    with interrupt.guard(connection.sock):
        yield


class BodyError(Exception):
    """The caller's own error while it made the body."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def guarded_pieces(body: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a body; what the caller's code raises is a BodyError."""
    try:
        yield from body
    except Exception as error:
        raise BodyError(error) from error


def _headers(response: http.client.HTTPResponse) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _read(response: http.client.HTTPResponse) -> bytes:
    """A whole body; one that was cut off is an error."""
    if response.length is not None:
        _check_size(response.length)
        return response.read()
    body = bytearray()
    while True:
        piece = response.read(PIECE_BYTES)
        body += piece
        _check_size(len(body))
        if not piece:
            return bytes(body)


def _check_size(size: int) -> None:
    if size > MAX_ANSWER_BYTES:
        raise SidecarError("too_large", f"the answer has more than {MAX_ANSWER_BYTES} bytes; ask for less")


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Whole lines only: what a broken connection cut off is not one."""
    while True:
        line = response.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            if len(line) >= MAX_LINE_BYTES:
                raise SidecarError("too_large", f"a line has more than {MAX_LINE_BYTES} bytes")
            return
        yield line
