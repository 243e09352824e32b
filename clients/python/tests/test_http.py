"""The reader of HTTP answers: what it takes, and that nothing breaks it."""

from __future__ import annotations

import asyncio
import random
import unittest
from typing import List, Tuple

from pillion_client import _http

OK = b"HTTP/1.1 200 OK\r\n"
GOOD: List[Tuple[bytes, int, bytes, bool]] = [
    (OK + b"Content-Length: 3\r\n\r\nabc", 200, b"abc", True),
    (OK + b"content-length:0\r\nConnection: Close\r\n\r\n", 200, b"", False),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\n", 200, b"abc", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", 200, b"x", True),
    (b"HTTP/1.1 204\r\n\r\n", 204, b"", True),
    (b"HTTP/1.0 404 Not Found\nContent-Length: 2\n\nno", 404, b"no", False),
    (OK + b"\r\nuntil the end", 200, b"until the end", True),
]
BAD = [
    b"", b"HTTP/1.1 2", b"SSH-2.0\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 999 \r\n\r\n", OK + b"no colon\r\n\r\n",
    OK + b" folded: x\r\n\r\n", OK + b"Content-Length: -1\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nabc",
    OK + b"Content-Length: \xb2\r\n\r\n", OK + b"Transfer-Encoding: gzip\r\n\r\n", OK + b"x: y\r\n" * 200 + b"\r\n",
    OK + b"x: " + b"y" * (_http.LINE_BYTES * 2) + b"\r\n\r\n",
    *(OK + b"Transfer-Encoding: chunked\r\n\r\n" + rest for rest in (b"", b"z\r\n", b"3\r\nab", b"1\r\nabc\r\n0\r\n\r\n", b"-1\r\n", b"f" * 20)),
]


async def read(pieces: List[bytes]) -> Tuple[int, bytes, bool]:
    reader = asyncio.StreamReader(limit=_http.LINE_BYTES)
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    head = await _http.read_head(reader)
    body = b"".join([piece async for piece in _http.read_body(reader, head)])
    return head.status, body, head.keep_alive


class Answers(unittest.TestCase):
    def test_what_is_read(self) -> None:
        for text, *want in GOOD:
            with self.subTest(text):
                self.assertEqual(asyncio.run(read([text])), tuple(want))
                self.assertEqual(asyncio.run(read([bytes([b]) for b in text])), tuple(want))

    def test_what_is_refused(self) -> None:
        for text in BAD:
            with self.subTest(text[:60]), self.assertRaises((_http.HttpError, EOFError)):
                asyncio.run(read([text]))

    def test_whatever_comes_is_an_answer_or_an_error(self) -> None:
        source = random.Random(1)
        seeds = [text for text, *_ in GOOD] + BAD

        async def mutate() -> None:
            for _ in range(5000):
                text = bytearray(source.choice(seeds)[:200])
                for _ in range(source.randint(1, 4)):
                    text[source.randint(0, len(text)):source.randint(0, len(text))] = source.choice((b"", b"\r\n", b"\xff", b"0", b"\r", b"9" * 30))
                try:
                    await asyncio.wait_for(read([bytes(text)]), 5)
                except (_http.HttpError, EOFError):
                    pass

        asyncio.run(mutate())

    def test_requests_hold_no_line_breaks(self) -> None:
        for target, headers in (("/a\r\nx: y", {}), ("/", {"x": "a\nb"})):
            with self.assertRaises(ValueError):
                _http.request("GET", target, "h", headers, None)
