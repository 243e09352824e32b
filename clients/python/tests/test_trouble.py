"""What clients do when the sidecar is away, busy, or not one."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pillion_client import (
    ApplyError, Declaration, ForbiddenError, NotFoundError, SidecarError, UnauthenticatedError, UnavailableError,
    UnreachableError, UntrustedError,
)

from .kinds import Story, each_kind
from .stub import Handler, Stub, certificate, in_turn
from .world import DEVICES

AT = (DEVICES, "cluster1", "dev-1")
KEY = {"dataType": DEVICES, "source": "hub1", "cluster": "cluster1", "id": "dev-1"}
RESOURCE = {**KEY, "version": 1, "revision": "7", "spec": {}, "deletionTimestamp": None, "unknown": 1, "sync": {"state": "pending"}}


def fine(handler: Handler) -> None:
    handler.answer(200, RESOURCE)


def hang_up(handler: Handler) -> None:
    handler.hang_up()


class Stage(Story):
    def stub(self: Any, *scripts: Any, **options: Any) -> Any:
        stub = Stub(self, in_turn(*scripts))
        return stub, self.kind.client(stub.path, **options)


@each_kind
class Repeating(Stage):
    def test_what_is_repeated(self: Any) -> None:
        for trouble in (
            hang_up,
            lambda h: h.problem(503, "unavailable"),
            lambda h: h.problem(429, "too_many_requests"),
            lambda h: h.problem(408, "timeout"),
        ):
            with self.subTest():
                stub, client = self.stub(trouble, trouble, fine)
                self.assertEqual(client.put(*AT, {}).revision, "7")
                self.assertEqual(len(stub.requests), 3)

    def test_what_is_not_repeated(self: Any) -> None:
        for status, code in ((400, "invalid_argument"), (403, "forbidden"), (504, "deadline_exceeded"), (507, "disk_full"), (500, "internal")):
            with self.subTest(code):
                stub, client = self.stub(lambda h: h.problem(status, code))
                with self.assertRaises(SidecarError) as caught:
                    client.put(*AT, {})
                self.assertEqual((caught.exception.code, caught.exception.status, len(stub.requests)), (code, status, 1))

    def test_retry_after_is_waited_for(self: Any) -> None:
        _, client = self.stub(lambda h: h.problem(503, "unavailable", Retry_After="1"), fine)
        began = time.monotonic()
        client.get(*AT)
        self.assertGreaterEqual(time.monotonic() - began, 1.0)

    def test_the_end_of_patience(self: Any) -> None:
        stub, client = self.stub(lambda h: h.problem(503, "unavailable"), retry_for=0.3)
        with self.assertRaises(UnavailableError):
            client.get(*AT)
        self.assertGreater(len(stub.requests), 1)
        with self.assertRaises(UnreachableError) as caught:
            self.kind.client("/tmp/pillion-nobody.sock", retry_for=0).get(*AT)
        self.assertFalse(caught.exception.sent)
        self.assertIn("is the sidecar running?", caught.exception.detail)

    def test_a_sidecar_that_does_not_answer(self: Any) -> None:
        release = threading.Event()
        self.addCleanup(release.set)
        _, client = self.stub(lambda h: release.wait(20) and None, retry_for=0, timeout=0.2)
        with self.assertRaises(UnreachableError) as caught:
            client.get(*AT)
        self.assertTrue(caught.exception.sent)

    def test_a_precondition_is_not_repeated_once_it_may_be_taken(self: Any) -> None:
        stub, client = self.stub(hang_up, fine)
        with self.assertRaises(UnreachableError):
            client.put(*AT, {}, if_match="7")
        self.assertEqual(len(stub.requests), 1)
        self.assertEqual(stub.requests[0][3]["If-Match"], '"7"')
        stub, client = self.stub(lambda h: h.problem(503, "unavailable"), fine)
        client.put(*AT, {}, if_none_match=True)  # was refused, not taken
        self.assertEqual(stub.requests[1][3]["If-None-Match"], "*")

    def test_gone_when_repeated_is_done(self: Any) -> None:
        _, client = self.stub(hang_up, lambda h: h.problem(404, "not_found"))
        self.assertIsNone(client.delete(*AT))
        with self.assertRaises(NotFoundError):
            client.delete(*AT)

    def test_connections_are_kept_and_renewed(self: Any) -> None:
        seen = []

        def count(handler: Handler) -> None:
            seen.append(id(handler))
            handler.close_connection = len(seen) == 2  # unannounced
            fine(handler)

        _, client = self.stub(count)
        for _ in range(3):
            client.get(*AT)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[1], seen[2])

    def test_a_server_that_is_no_sidecar(self: Any) -> None:
        for body in (["x"], {"message": "x"}, "x"):
            _, client = self.stub(lambda h: h.answer(404, body))
            with self.subTest(body=body), self.assertRaises(SidecarError) as caught:
                client.get(*AT)
            self.assertIn("is it one?", caught.exception.detail)

        def cut(handler: Handler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "50")
            handler.end_headers()
            handler.wfile.write(b'{"version":1')
            handler.wfile.flush()
            handler.hang_up()

        _, client = self.stub(cut, fine)
        self.assertEqual(client.get(*AT).version, 1)


@each_kind
class Applying(Stage):
    def items(self, count: int) -> Any:
        return (Declaration(DEVICES, "cluster1", f"dev-{n}", {"n": n, "fill": "x" * 1000}) for n in range(count))

    def test_items_are_streamed_and_counted(self: Any) -> None:
        result = {"applied": 300, "unchanged": 0, "deleted": 2, "failed": 0, "errors": []}
        stub, client = self.stub(lambda h: h.answer(200, result))
        got = client.apply(self.items(300), prune=True, data_type=DEVICES, cluster="cluster1")
        self.assertEqual((got.applied, got.deleted), (300, 2))
        method, path, body, headers = stub.requests[0]
        self.assertEqual((method, path), ("POST", f"/v1/resources/apply?prune=true&dataType={DEVICES}&cluster=cluster1"))
        self.assertEqual((headers["Content-Type"], headers["Transfer-Encoding"]), ("application/x-ndjson", "chunked"))
        lines = [json.loads(line) for line in body.splitlines()]
        self.assertEqual((lines[7]["id"], lines[7]["spec"]["n"]), ("dev-7", 7))
        self.assertEqual(lines[300:], [{"end": True, "items": 300}])

    def test_failed_items_are_told(self: Any) -> None:
        wrong = {"line": 2, "key": {**KEY, "id": "dev-1"}, "code": "invalid_argument", "detail": "no"}
        _, client = self.stub(lambda h: h.answer(422, {"applied": 1, "failed": 1, "errors": [wrong]}))
        with self.assertRaises(ApplyError) as caught:
            client.apply(self.items(2))
        self.assertEqual((caught.exception.result.applied, caught.exception.result.errors[0].line), (1, 2))
        self.assertIn("line 2: invalid_argument: no", str(caught.exception))

    def test_an_answer_before_the_end(self: Any) -> None:
        """A sidecar that does not want the rest answers, and closes soon."""
        gone = threading.Event()

        def refuse(handler: Handler) -> None:
            handler.problem(403, "forbidden", Connection="close")
            gone.wait(0.5)  # as Go's server does

        stub, client = self.stub(refuse)
        stub.reads_bodies = False
        with self.assertRaises(ForbiddenError):
            client.apply(self.items(20_000))
        gone.set()

    def test_the_callers_own_error(self: Any) -> None:
        def items() -> Any:
            yield from self.items(100)
            raise OSError("the disk is broken")

        _, client = self.stub(fine)
        with self.assertRaisesRegex(OSError, "the disk is broken"):
            client.apply(items())


    def test_what_was_begun_is_not_repeated(self: Any) -> None:
        """The items may be gone: an apply of the rest would look like success."""
        stub, client = self.stub(lambda h: h.problem(503, "unavailable"), lambda h: h.answer(200, {"applied": 0}))
        with self.assertRaises(UnavailableError):
            client.apply(self.items(300))
        self.assertEqual(len(stub.requests), 1)


@each_kind
class WatchTrouble(Stage):
    def added(self, id: str, revision: str) -> Any:
        return {"type": "ADDED", "resource": {**RESOURCE, "id": id, "revision": revision}}

    def lines(self: Any, *lines: Any, tail: bytes = b"") -> Any:
        def script(handler: Handler) -> None:
            handler.begin_lines()
            for line in lines:
                handler.line(line)
            if tail:
                handler.piece(tail)
            handler.wfile.flush()
            handler.hang_up()

        return script

    def test_where_it_goes_on(self: Any) -> None:
        bookmark = {"type": "BOOKMARK", "revision": "20"}
        stub, client = self.stub(
            self.lines(self.added("a", "9")),  # the first listing is cut
            self.lines(self.added("a", "9"), {"type": "SYNCED", "revision": "10"}, self.added("b", "11"), tail=b'{"type":"ADD'),
            self.lines(bookmark, {"type": "ERROR", "error": {"status": 503, "code": "unavailable", "detail": "ending"}}),
            lambda h: h.problem(503, "unavailable"),
            lambda h: h.problem(410, "expired"),
            self.lines({"type": "ERROR", "error": {"status": 403, "code": "forbidden", "detail": "no"}}),
        )
        seen = []
        with self.assertRaises(ForbiddenError), client.watch(data_type=DEVICES) as watch:
            for event in watch:
                seen.append(event.resource.id if event.resource else event.type)
        self.assertEqual(seen, ["a", "RESTARTED", "a", "SYNCED", "b", "BOOKMARK", "RESTARTED"])
        since = [path.partition("since=")[2] for _, path, _, _ in stub.requests]
        self.assertEqual(since, ["", "", "11", "20", "20", ""])

    def test_a_line_that_is_none(self: Any) -> None:
        for tail in (b"{\n", b"[]\n", b"{}\n"):
            _, client = self.stub(self.lines(tail=tail), self.lines(self.added("a", "9")))
            with self.subTest(tail), client.watch() as watch:
                self.assertEqual(next(iter(watch)).resource.id, "a")


@each_kind
class StopRace(Stage):
    def test_what_is_handed_out_at_the_end_goes_back(self: Any) -> None:
        """The answer to a lease is under way when the worker is stopped."""
        leasing, closed, returned = threading.Event(), threading.Event(), threading.Event()
        item = {"lease": "L1", "key": KEY, "reasons": ["created"], "attempt": 1, "object": RESOURCE}

        def sidecar(handler: Handler) -> None:
            if handler.path == "/v1/leases/L1":
                self.assertEqual(json.loads(handler.body), {"result": "done", "requeueAfter": "1ms"})
                returned.set()
                return handler.answer(200)
            leasing.set()
            if handler.connection.recv(1) == b"":  # the worker has closed its side
                closed.set()
            handler.answer(200, {"items": [item]})

        _, client = self.stub(sidecar)
        worker = self.kind.agent(client)
        worker.handler(DEVICES)(lambda work: self.fail("nothing is begun any more"))
        worker.deletion(DEVICES)(lambda work: None)
        running = self.kind.start(worker)
        self.assertTrue(leasing.wait(10))
        running.stop()
        self.assertIsNone(running.error)
        self.assertTrue(closed.is_set() and returned.is_set())


@each_kind
class OverTLS(Stage):
    def setUp(self: Any) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="pc")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.ca, context = certificate(self.folder)
        self.sidecar = Stub(self, self.guarded, context)
        self.token = "secret-1"

    def guarded(self: Any, handler: Handler) -> None:
        if handler.headers.get("Authorization") != f"Bearer {self.token}":
            return handler.problem(401, "unauthenticated")
        if "watch=true" in handler.path:
            handler.begin_lines()
            return handler.line({"type": "SYNCED", "revision": "1"})
        fine(handler)

    def test_token_and_ca(self: Any) -> None:
        client = self.kind.client(base_url=self.sidecar.url, ca_file=str(self.ca), token="secret-1")
        self.assertEqual(client.get(*AT).id, "dev-1")
        self.assertEqual(client.put(*AT, {"large": "x" * 500_000}).id, "dev-1")
        with client.watch() as watch:
            self.assertEqual(next(iter(watch)).type, "SYNCED")
        wrong = self.kind.client(base_url=self.sidecar.url, ca_file=str(self.ca), token="wrong")
        with self.assertRaises(UnauthenticatedError):
            wrong.get(*AT)

    def test_a_token_file_is_read_again(self: Any) -> None:
        file = self.folder / "token"
        client = self.kind.client(base_url=self.sidecar.url, ca_file=str(self.ca), token_file=str(file))
        with self.assertRaisesRegex(UnauthenticatedError, "cannot read token_file"):
            client.get(*AT)
        for self.token in ("secret-1", "secret-2"):
            file.write_text(self.token + "\n")
            self.assertEqual(client.get(*AT).id, "dev-1")

    def test_another_ca(self: Any) -> None:
        with self.assertRaisesRegex(UntrustedError, "ca_file"):
            self.kind.client(base_url=self.sidecar.url, token="secret-1").get(*AT)

    def test_arguments_that_do_not_fit(self: Any) -> None:
        for options in (
            {"base_url": "http://127.0.0.1:1", "token": "x"}, {"base_url": "https://127.0.0.1:1"}, {"token": "x"},
            {"socket": "/x", "base_url": "https://127.0.0.1:1", "token": "x"},
            {"base_url": "https://127.0.0.1:1", "token": "x", "token_file": "y"}, {"base_url": "https://h/path", "token": "x"},
        ):
            with self.subTest(options), self.assertRaises(ValueError):
                self.kind.client(**options)
