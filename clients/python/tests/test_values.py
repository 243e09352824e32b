"""What answers become, and what becomes of the results of handlers."""

from __future__ import annotations

import unittest
from datetime import datetime, timezone
from typing import Any

from pillion_client import Agent, Client, Failure, Key, Result, Source, _calls, _work
from pillion_client.model import parse_time


class Times(unittest.TestCase):
    def test_rfc_3339(self) -> None:
        want = datetime(2026, 11, 21, 8, 30, 1, 120000, tzinfo=timezone.utc)
        for text in ("2026-11-21T08:30:01.12Z", "2026-11-21T08:30:01.120000999Z", "2026-11-21T09:30:01.12+01:00"):
            self.assertEqual(parse_time(text), want)
        self.assertEqual(parse_time("2026-11-21T08:30:01Z"), want.replace(microsecond=0))
        self.assertIsNone(parse_time(None))

    def test_durations(self) -> None:
        self.assertEqual([_calls.duration(s) for s in (0, 0.2, 30, 1e-6)], ["0us", "200000us", "30000000us", "1us"])


class Paths(unittest.TestCase):
    def test_segments_are_encoded_as_a_whole(self) -> None:
        self.assertEqual(_calls.path_of("v1", "a/b ü?%~"), "/v1/a%2Fb%20%C3%BC%3F%25~")


class Results(unittest.TestCase):
    def test_what_handlers_return(self) -> None:
        for returned, status, deletion in (
            (None, {}, {"deleted": True}),
            ({"a": 1}, {"status": {"a": 1}}, {"status": {"a": 1}, "deleted": True}),
            ({}, {"status": {}}, {"status": {}, "deleted": True}),
            (Result(requeue_after=1.5), {"requeueAfter": "1500000us"}, {"requeueAfter": "1500000us"}),
            (Result(requeue_after=0), {"requeueAfter": "1000us"}, {"requeueAfter": "1000us"}),
            (Result({"a": 1}), {"status": {"a": 1}}, {"status": {"a": 1}, "deleted": True}),
        ):
            with self.subTest(returned=returned):
                self.assertEqual(_work.read_status(returned), status)
                self.assertEqual(_work.read_deletion(returned), deletion)

    def test_what_they_must_not_return(self) -> None:
        wrong: Any
        for wrong in (True, "done", [1]):
            with self.assertRaisesRegex(TypeError, "a handler returns a status"):
                _work.read_status(wrong)
        with self.assertRaisesRegex(TypeError, "a source reports no status"):
            _work.read_requeue({"a": 1})
        for wrong in ({"status": {"x": object()}}, {"status": {"x": float("nan")}}):
            with self.assertRaises((TypeError, ValueError)):
                _work.checked(wrong)

    def test_what_they_raise(self) -> None:
        for error, want in (
            (ValueError("no"), {"error": "ValueError: no"}),
            (KeyError(), {"error": "KeyError"}),
            (Failure("no"), {"error": "no"}),
            (Failure("no", retry=False, status={"a": 1}), {"error": "no", "retry": False, "status": {"a": 1}}),
            (Failure("no", requeue_after=2), {"error": "no", "requeueAfter": "2000000us"}),
        ):
            with self.subTest(error=error):
                self.assertEqual(_work.failed(error), {"result": "failed", **want})
        self.assertIn("not JSON serializable", _work.failed(Failure("no", status={"x": object()}))["error"])


class Handlers(unittest.TestCase):
    def test_a_worker_says_what_is_missing(self) -> None:
        agent, source = Agent(Client("/none")), Source(Client("/none"))
        for worker in (agent, source):
            with self.assertRaisesRegex(ValueError, "no handler"):
                worker.run()
        agent.handler("devices")(print)
        with self.assertRaisesRegex(ValueError, "devices has no deletion handler"):
            agent.run()
        with self.assertRaisesRegex(ValueError, "already"):
            agent.handler("devices")(print)
        with self.assertRaisesRegex(ValueError, "concurrency"):
            Agent(Client("/none"), concurrency=0)

    def test_a_worker_that_was_stopped_does_not_begin(self) -> None:
        source = Source(Client("/none"))
        source.status("devices")(print)
        source.stop()
        source.run(signals=False)
        with self.assertRaisesRegex(RuntimeError, "runs once"):
            source.run()


class Keys(unittest.TestCase):
    def test_there_and_back(self) -> None:
        key = Key("devices", "hub1", "cluster1", "dev-1")
        self.assertEqual(Key.from_json(key.to_json()), key)
        self.assertNotIn("source", Key("devices", "", "cluster1", "dev-1").to_json())
