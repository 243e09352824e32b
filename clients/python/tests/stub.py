"""A stand-in for the sidecar that misbehaves as it is told."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, TCPServer, UnixStreamServer
from typing import Any, Callable, Dict, List, Optional, Tuple

Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection. The script gets each request, with its body read."""

    protocol_version = "HTTP/1.1"
    body = b""

    def address_string(self) -> str:
        return "peer"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def _serve(self) -> None:
        stub: Stub = self.server.stub
        self.body = self._read_body() if stub.reads_bodies else b""
        stub.requests.append((self.command, self.path, self.body, dict(self.headers)))
        stub.script(self)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _serve

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline() or b"0", 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        text = json.dumps({} if body is None else body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def problem(self, status: int, code: str, **headers: str) -> None:
        self.answer(status, {"status": status, "code": code, "detail": "as told"}, **headers)

    def hang_up(self) -> None:
        """Closes without an answer."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def begin_lines(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def line(self, o: Any) -> None:
        self.piece(json.dumps(o).encode() + b"\n")

    def piece(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))


class _Unix(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _TCP(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Stub:
    """A server whose script answers; requests are (method, path, body, headers)."""

    def __init__(self, test: Any, script: Script, tls: Optional[ssl.SSLContext] = None) -> None:
        self.script = script
        self.reads_bodies = True
        self.requests: List[Tuple[str, str, bytes, Dict[str, str]]] = []
        folder = tempfile.TemporaryDirectory(prefix="pc")
        test.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/stub.sock"
        self.server: Any = _TCP(("127.0.0.1", 0), Handler) if tls else _Unix(self.path, Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = "https://127.0.0.1:%d" % self.server.server_address[1]
        self.server.stub = self
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        test.addCleanup(self.server.server_close)
        test.addCleanup(thread.join)
        test.addCleanup(self.server.shutdown)


def in_turn(*scripts: Script) -> Script:
    """The first request gets the first script, later ones the last."""
    left = list(scripts)
    lock = threading.Lock()

    def script(handler: Handler) -> None:
        with lock:
            step = left.pop(0) if len(left) > 1 else left[0]
        step(handler)

    return script


def certificate(folder: Path) -> Tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that is its own CA."""
    key, cert = folder / "tls.key", folder / "tls.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-keyout", key, "-out", cert, "-subj", "/CN=sidecar", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
