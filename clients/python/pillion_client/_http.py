"""The part of HTTP/1.1 that a client of the sidecar needs, on asyncio streams.

Reads one answer at a time: interim answers are skipped, bodies are of a known
length, in chunks, or end with the connection. All is bounded: lines by the
reader's limit, headers in number, bodies by their readers. Anything else is an
HttpError, after which the connection is of no use.

Own code and not the standard library's client in threads, so that a watch or a
long poll costs no thread, and cancelling a task ends its call at once.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import AsyncIterator, Dict, Mapping, Optional

LINE_BYTES = 64 << 10
"""The limit to make readers with; also how much a body is read at a time."""
MOST_HEADERS = 100

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class HttpError(Exception):
    """What came is not an HTTP answer."""


@dataclass(frozen=True)
class Head:
    """The head of an answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    keep_alive: bool

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def length(self) -> Optional[int]:
        """Bytes of the body; None if its end is not known."""
        if self.status in (204, 304):
            return 0
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise HttpError("Content-Length is not a number")
        return int(text)


def request(method: str, target: str, host: str, headers: Mapping[str, str], body: Optional[bytes]) -> bytes:
    """A request with a whole body. None of what is given may hold a newline."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header with a line break")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunk(piece: bytes) -> bytes:
    """A piece of a body in chunks; the empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The head of the next answer that is not an interim one."""
    while True:
        match = _STATUS.fullmatch(await _line(reader))
        if not match:
            raise HttpError("not an HTTP answer")
        headers = await _headers(reader)
        status = int(match.group(2))
        if status >= 200:
            open_after = match.group(1) == b"1" and headers.get("connection", "").lower() != "close"
            return Head(status, headers, open_after)


async def _headers(reader: asyncio.StreamReader) -> Dict[str, str]:
    headers: Dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        line = await _line(reader)
        if not line:
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise HttpError("a header that is none")
        headers[name.lower()] = value.strip()
    raise HttpError(f"more than {MOST_HEADERS} headers")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise HttpError("a line that is too long") from None
    return line[:-1].rstrip(b"\r")


def read_body(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[bytes]:
    """The body in pieces; one that is cut off is an error."""
    if head.chunked:
        return _chunks(reader)
    if "transfer-encoding" in head.headers:
        raise HttpError("a transfer encoding that is not known")
    return _exactly(reader, head.length) if head.length is not None else _rest(reader)


async def _exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length > 0:
        piece = await reader.read(min(length, LINE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(piece)
        yield piece


async def _rest(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        piece = await reader.read(LINE_BYTES)
        if not piece:
            return
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        match = _CHUNK.fullmatch(await _line(reader))
        if not match:
            raise HttpError("a chunk without a size")
        size = int(match.group(1), 16)
        if size == 0:
            await _headers(reader)  # trailers, and the empty line
            return
        async for piece in _exactly(reader, size):
            yield piece
        if await _line(reader):
            raise HttpError("a chunk that is longer than its size")
