"""The whole way: clients and workers against the built sidecar."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from typing import Any, List
from unittest import mock

from pillion_client import (
    ApplyError, ApplyResult, DeadlineExceededError, Declaration, Failure, ForbiddenError, InvalidArgumentError,
    Key, NotFoundError, PreconditionFailedError, Result, UnauthenticatedError, Work,
)

from .kinds import Story, each_kind
from .world import DEVICES, World, eventually, free_address

AT = (DEVICES, "cluster1")


class Stage(Story):
    """A world with a client on each side."""

    def setUp(self) -> None:
        super().setUp()
        self.world = World(self)
        self.world.start()
        self.hub = self.kind.client(self.world.socket("source"))
        self.edge = self.kind.client(self.world.socket("agent"))

    def device(self, id: str = "dev-1", **more: Any) -> Any:
        return self.hub.put(*AT, id, {"model": "x"}, **more)

    def leased(self) -> Any:
        return eventually(lambda: self.edge.lease(wait=5), "an item")[0]


@each_kind
class Calls(Stage):
    def test_declare_report_delete(self: Any) -> None:
        made = self.hub.put(*AT, "a/b ü?%", {"on": True}, metadata={"labels": {"field": "north"}})
        self.assertEqual((made.id, made.version, made.spec, made.status), ("a/b ü?%", 1, {"on": True}, None))
        again = {"metadata": {"labels": {"field": "north"}}}
        self.assertEqual(self.hub.put(*AT, "a/b ü?%", {"on": True}, **again).version, 1)
        item = self.leased()
        self.assertEqual((item.key, item.reasons, item.attempt), (Key(DEVICES, "hub1", "cluster1", "a/b ü?%"), ("created",), 1))
        self.edge.extend(item.lease, 30, status={"step": 1})
        self.edge.answer(item.lease, {"status": {"online": True}})
        with self.assertRaises(NotFoundError):
            self.edge.answer(item.lease)
        eventually(lambda: (self.hub.get(*AT, "a/b ü?%").status or {}).get("online"), "the last status")
        seen = self.hub.put(*AT, "a/b ü?%", {"on": True}, wait="observed", **again)
        self.assertEqual((seen.status, seen.sync.state, seen.status_version), ({"online": True}, "observed", 1))
        self.assertIsNotNone(seen.sync.observed_at.tzinfo)
        reported = self.edge.set_status(*AT, "a/b ü?%", {"more": 1}, merge=True, source="hub1", wait="published")
        self.assertEqual((reported.status, reported.sync.state), ({"online": True, "more": 1}, "published"))

        self.assertTrue(self.hub.delete(*AT, "a/b ü?%").deleting)
        eventually(lambda: self.edge.get(*AT, "a/b ü?%").deleting, "the deletion at the agent")
        self.assertIsNone(self.edge.delete(*AT, "a/b ü?%"))
        eventually(lambda: self.gone("a/b ü?%"), "the end at the source")

    def gone(self: Any, id: str) -> bool:
        try:
            return self.hub.delete(*AT, id, wait="observed") is None
        except NotFoundError:
            return True

    def test_preconditions_and_patch(self: Any) -> None:
        made = self.device(if_none_match=True)
        with self.assertRaises(PreconditionFailedError) as caught:
            self.device(if_none_match=True)
        self.assertEqual((caught.exception.status, caught.exception.code), (412, "precondition_failed"))
        patched = self.hub.patch(*AT, "dev-1", {"spec": {"color": "red"}}, if_match=made.revision)
        self.assertEqual((patched.spec, patched.version), ({"model": "x", "color": "red"}, 2))
        with self.assertRaises(PreconditionFailedError):
            self.hub.put(*AT, "dev-1", {}, if_match=made.revision)
        self.assertEqual(self.hub.put(*AT, "dev-1", {}, version=40).version, 40)

    def test_a_wait_that_is_too_short_shows_the_resource(self: Any) -> None:
        with self.assertRaises(DeadlineExceededError) as caught:
            self.device(wait="observed", timeout=0.1)
        self.assertEqual((caught.exception.status, caught.exception.resource.id), (504, "dev-1"))
        self.assertEqual(self.hub.get(*AT, "dev-1").version, 1)

    def test_what_the_sidecar_refuses(self: Any) -> None:
        for error, call in (
            (InvalidArgumentError, lambda: self.hub.put(DEVICES, "Not_A_Name", "x", {})),
            (InvalidArgumentError, lambda: self.hub.put(*AT, "x", {}, version=2**31)),
            (InvalidArgumentError, lambda: self.hub.put(*AT, "x", b"raw")),
            (ForbiddenError, lambda: self.edge.put(*AT, "x", {})),
            (NotFoundError, lambda: self.hub.get(*AT, "none")),
            (NotFoundError, lambda: self.hub.lease("none")),
        ):
            with self.subTest(error.__name__), self.assertRaises(error) as caught:
                call()
            self.assertTrue(caught.exception.detail)

    def test_a_spec_that_is_not_json(self: Any) -> None:
        made = self.hub.put(*AT, "raw", b"\x00\xff", content_type="application/octet-stream")
        self.assertEqual((made.spec, made.spec_bytes, made.content_type), (None, b"\x00\xff", "application/octet-stream"))

    def test_lists_come_in_pages(self: Any) -> None:
        ids = [f"dev-{n}" for n in range(7)]
        for id in ids:
            self.device(id)
        self.assertEqual(sorted(r.id for r in self.hub.list(data_type=DEVICES, cluster="cluster1", limit=3)), ids)
        page = self.hub.page(limit=3)
        self.assertEqual(len(page.items), 3)
        self.assertEqual(self.hub.page(limit=3, cursor=page.cursor).revision, page.revision)
        self.assertEqual(list(self.hub.list(cluster="cluster2")), [])
        self.assertEqual(self.hub.delete_cluster("cluster1"), 7)

    def test_apply_and_prune(self: Any) -> None:
        def items(count: int) -> Any:
            return (Declaration(DEVICES, "cluster1", f"dev-{n}", {"n": n}) for n in range(count))

        self.assertEqual(self.hub.apply(items(300)), ApplyResult(300, 0, 0, 0))
        pruned = self.hub.apply(items(290), prune=True, data_type=DEVICES, cluster="cluster1")
        self.assertEqual(pruned, ApplyResult(0, 290, 10, 0))
        with self.assertRaises(ApplyError) as caught:
            self.hub.apply([Declaration(DEVICES, "cluster1", "dev-0", 1, if_match="7"), Declaration(DEVICES, "cluster1", "dev-1", 1)])
        result = caught.exception.result
        self.assertEqual((result.applied, result.failed), (1, 1))
        self.assertEqual((result.errors[0].line, result.errors[0].code), (1, "precondition_failed"))
        with self.assertRaises(ForbiddenError):
            self.edge.apply(items(1))

    def test_queue_and_control(self: Any) -> None:
        self.device()
        item = self.leased()
        self.assertEqual(self.edge.queue().in_flight, 1)
        self.edge.answer(item.lease, {"result": "failed", "retry": False, "error": "no such model"})
        dead = self.edge.dead()
        self.assertEqual([(d.key, d.error, d.attempts) for d in dead], [(item.key, "no such model", 1)])
        self.assertEqual(self.edge.retry_dead(item.key), 1)
        self.assertIn("requeued", self.leased().reasons)
        self.assertEqual(self.edge.requeue(), 1)
        self.assertEqual(self.edge.queues()[0].name, "resources")
        self.hub.synced(data_type=DEVICES, cluster="cluster1")
        self.hub.resync(cluster="cluster1")
        self.assertEqual(self.hub.status()["store"]["synced"], [{"dataType": DEVICES, "cluster": "cluster1"}])


@each_kind
class Watching(Stage):
    def until(self: Any, watch: Any, *wanted: str) -> List[Any]:
        """The events up to the first one of each type that is wanted."""
        events, missing = [], list(wanted)
        for event in watch:
            if event.type != "BOOKMARK":
                events.append(event)
            if missing and event.type == missing[0]:
                missing.pop(0)
            if not missing:
                return events
        raise AssertionError(f"the watch ended before {missing}")

    def test_a_watch_goes_on_over_a_restart(self: Any) -> None:
        self.device("before")
        with self.hub.watch(data_type=DEVICES, cluster="cluster1") as watch:
            first = self.until(watch, "SYNCED")
            self.assertEqual([e.resource.id for e in first[:-1]], ["before"])
            self.world.kill("source")
            self.world.start("source")
            self.device("after")
            more = self.until(watch, "ADDED")
            self.assertEqual(more[-1].resource.id, "after")
            self.assertNotIn("RESTARTED", [e.type for e in more])
        resumed = self.hub.watch(since=first[-1].revision)
        self.assertEqual([e.resource.id for e in self.until(resumed, "ADDED") if e.type == "ADDED"], ["after"])
        resumed.close()

    def test_a_revision_that_has_lapsed_begins_anew(self: Any) -> None:
        self.device()
        with self.hub.watch(since="1") as watch:
            events = self.until(watch, "SYNCED")
        self.assertEqual([e.type for e in events], ["RESTARTED", "ADDED", "SYNCED"])
        self.assertEqual(watch.revision, events[-1].revision)

    def test_what_trying_again_does_not_mend(self: Any) -> None:
        with self.assertRaises(InvalidArgumentError):
            next(iter(self.hub.watch(cluster="Not_A_Name")))


@each_kind
class OverTCP(Story):
    def test_calls_a_watch_and_a_worker(self: Any) -> None:
        world = World(self)
        world.listen = free_address()
        world.start("source")
        eventually((world.dir / "source" / "token").exists, "the token")
        eventually((world.dir / "source" / "ca.crt").exists, "the CA")
        environment = {
            "SIDECAR_SERVER": f"https://{world.listen}", "SIDECAR_CA_FILE": str(world.dir / "source" / "ca.crt"),
            "SIDECAR_TOKEN_FILE": str(world.dir / "source" / "token"),
        }
        with mock.patch.dict(os.environ, environment):
            client = self.kind.client()
        self.assertEqual(client.put(*AT, "dev-1", {"model": "x"}).version, 1)
        with client.watch() as watch:
            self.assertEqual(next(iter(watch)).resource.id, "dev-1")
        worker = self.kind.source(client)
        worker.status(DEVICES)(lambda work: None)
        running = self.kind.start(worker)
        began = time.monotonic()
        running.stop()
        self.assertIsNone(running.error)
        self.assertLess(time.monotonic() - began, 5.0)  # the poll was interrupted
        with self.assertRaises(UnauthenticatedError):
            self.kind.client(base_url=environment["SIDECAR_SERVER"], ca_file=environment["SIDECAR_CA_FILE"], token="no").status()


class Ledger:
    """What handlers saw, and whether two of one key ran at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: List[Any] = []
        self.busy: Counter[str] = Counter()
        self.overlap = False

    def enter(self, what: str, id: str) -> None:
        with self.lock:
            self.calls.append((what, id))
            self.busy[id] += 1
            self.overlap = self.overlap or self.busy[id] > 1

    def leave(self, id: str) -> None:
        with self.lock:
            self.busy[id] -= 1

    def count(self, what: str, id: str) -> int:
        with self.lock:
            return self.calls.count((what, id))


@each_kind
class Working(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.ledger = Ledger()
        self.hub.status(), self.edge.status()  # both are there

    def agent(self: Any, reconcile: Any, **options: Any) -> Any:
        worker = self.kind.agent(self.edge, **options)
        ledger = self.ledger

        @worker.handler(DEVICES)
        def handler(work: Work) -> Any:
            ledger.enter("handler", work.key.id)
            try:
                return reconcile(work)
            finally:
                ledger.leave(work.key.id)

        @worker.deletion(DEVICES)
        def deletion(work: Work) -> None:
            ledger.enter("deletion", work.key.id)
            ledger.leave(work.key.id)

        return worker, self.kind.start(worker)

    def test_the_whole_story(self: Any) -> None:
        self.agent(lambda work: {"online": True, "model": work.object.spec["model"]})
        seen, gone = [], []
        source = self.kind.source(self.hub)
        source.status(DEVICES)(lambda work: seen.append(work.object))
        source.deleted(DEVICES)(gone.append)
        self.kind.start(source)

        self.assertEqual(self.device(wait="observed").status, {"online": True, "model": "x"})
        eventually(lambda: seen, "the source's handler")
        self.assertEqual((seen[0].status, seen[0].id), ({"online": True, "model": "x"}, "dev-1"))
        self.assertIsNone(self.hub.delete(*AT, "dev-1", wait="observed"))
        eventually(lambda: gone, "the end at the source")
        self.assertEqual(gone, [Key(DEVICES, "hub1", "cluster1", "dev-1")])
        self.assertEqual(self.ledger.calls, [("handler", "dev-1"), ("deletion", "dev-1")])

    def test_what_fails_comes_back(self: Any) -> None:
        def reconcile(work: Work) -> Any:
            if work.attempt < 3:
                raise ConnectionError("the device does not answer")
            return {"attempt": work.attempt}

        with self.assertLogs("pillion_client", "WARNING") as logs:
            self.agent(reconcile)
            self.assertEqual(self.device(wait="observed").status, {"attempt": 3})
        self.assertEqual(len([l for l in logs.output if "handler failed" in l]), 2)

    def test_giving_up_says_why(self: Any) -> None:
        def reconcile(work: Work) -> Any:
            raise Failure("no such model", retry=False, status={"reason": "no such model"})

        with self.assertLogs("pillion_client", "WARNING"):
            self.agent(reconcile)
            self.assertEqual(self.device(wait="observed").status, {"reason": "no such model"})
            dead = eventually(self.edge.dead, "a dead key")
        self.assertEqual((dead[0].error, dead[0].attempts), ("no such model", 1))

    def test_a_result_that_is_refused_is_a_failure(self: Any) -> None:
        def reconcile(work: Work) -> Any:
            large = {"large": "x" * (2 << 20)}
            if work.attempt == 2:
                raise Failure("too much", status=large)
            return large if work.attempt == 1 else {"attempt": work.attempt}

        with self.assertLogs("pillion_client", "WARNING") as logs:
            self.agent(reconcile)
            self.assertEqual(self.device(wait="observed").status, {"attempt": 3})
        self.assertIn("result refused: " + DEVICES + "/cluster1/dev-1: too_large", "".join(logs.output))

    def test_a_handler_may_come_back(self: Any) -> None:
        worker = self.kind.agent(self.edge)
        drained = []
        worker.handler(DEVICES)(lambda work: Result({"n": 1}))
        worker.deletion(DEVICES)(lambda work: drained.append(1) if drained.append(0) or len(drained) > 2 else Result(requeue_after=0.02))
        self.kind.start(worker)
        self.device(wait="observed")
        self.assertIsNone(self.hub.delete(*AT, "dev-1", wait="observed"))
        self.assertEqual(drained, [0, 0, 0, 1])

    def test_a_long_handler_keeps_its_lease(self: Any) -> None:
        enough = time.monotonic() + 2.5
        self.agent(self.sleeper(lambda work: enough), lease_for=1.0)
        self.assertEqual(self.device(wait="observed").status, {"attempt": 1})
        self.assertEqual(self.ledger.count("handler", "dev-1"), 1)

    def sleeper(self: Any, until: Any) -> Any:
        def reconcile(work: Work) -> Any:
            while time.monotonic() < until(work):
                time.sleep(0.01)
            return {"attempt": work.attempt}

        return reconcile

    def test_handlers_run_at_the_same_time(self: Any) -> None:
        barrier = threading.Barrier(3)
        self.agent(lambda work: {"met": barrier.wait(20) >= 0}, concurrency=3)
        for id in "abc":
            self.device(id)
        for id in "abc":
            self.assertEqual(self.device(id, wait="observed").status, {"met": True})

    def test_kill_and_restart_of_the_sidecar(self: Any) -> None:
        release = threading.Event()
        lost: List[bool] = []

        def reconcile(work: Work) -> Any:
            if self.ledger.count("handler", "dev-1") == 1:
                release.wait(20)
                eventually(lambda: work.lost, "the loss of the lease")
                lost.append(True)
            return {"call": self.ledger.count("handler", "dev-1")}

        with self.assertLogs("pillion_client", "WARNING"):
            self.agent(reconcile, lease_for=1.0)
            self.device()
            eventually(lambda: self.ledger.count("handler", "dev-1"), "the first call")
            self.world.kill("agent")
            self.world.start("agent")
            self.edge.status()  # it is back
            release.set()
            self.assertEqual(self.device(wait="observed").status, {"call": 2})
        self.assertEqual(lost, [True])
        self.assertFalse(self.ledger.overlap)

    def test_stop_finishes_what_was_begun(self: Any) -> None:
        release = threading.Event()
        worker, running = self.agent(lambda work: {"done": release.wait(20)}, concurrency=1)
        self.device("begun")
        eventually(lambda: self.ledger.count("handler", "begun"), "the handler")
        self.device("waiting")
        eventually(lambda: self.edge.queue().depth == 1, "the other device")
        threading.Timer(0.2, release.set).start()
        running.stop()
        self.assertIsNone(running.error)
        self.assertEqual(self.device("begun", wait="observed").status, {"done": True})
        self.assertEqual(self.ledger.count("handler", "waiting"), 0)
        stats = self.edge.queue()
        self.assertEqual((stats.depth, stats.in_flight), (1, 0))

    def test_stop_gives_back_what_does_not_finish(self: Any) -> None:
        release = threading.Event()
        self.addCleanup(release.set)
        _, running = self.agent(lambda work: release.wait(20) and None, stop_grace=0.2)
        self.device()
        eventually(lambda: self.ledger.count("handler", "dev-1"), "the handler")
        with self.assertLogs("pillion_client", "WARNING"):
            running.stop()
        item = self.leased()  # at once, not when the lease would lapse
        self.assertEqual(item.attempt, 2)

    def test_stop_while_the_sidecar_is_away(self: Any) -> None:
        with self.assertLogs("pillion_client", "WARNING") as logs:
            _, running = self.agent(lambda work: None)
            eventually(lambda: self.edge.status(), "the sidecar")
            self.world.kill("agent")
            eventually(lambda: logs.output, "the loss of the sidecar")
            running.stop()
        self.assertIsNone(running.error)

    def test_a_mistake_ends_the_worker(self: Any) -> None:
        worker = self.kind.agent(self.edge)
        worker.handler("Not a type")(lambda work: None)
        worker.deletion("Not a type")(lambda work: None)
        running = self.kind.start(worker)
        running.join()
        self.assertIsInstance(running.error, InvalidArgumentError)
