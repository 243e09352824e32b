"""SIGTERM, as a container gets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from pillion_client import Client

from .world import DEVICES, World, eventually


class Signals(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World(self)
        self.world.start()
        self.hub, self.edge = Client(self.world.socket("source")), Client(self.world.socket("agent"))
        self.addCleanup(self.hub.close)
        self.addCleanup(self.edge.close)

    def app(self, kind: str, seconds: float) -> Any:
        environment = {**os.environ, "SIDECAR_SOCKET": self.world.socket("agent")}
        app = subprocess.Popen(
            [sys.executable, "-m", "tests.app", kind, str(seconds)], env=environment, cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.addCleanup(lambda: (app.kill(), app.communicate()))
        return app

    def begun(self, app: Any) -> None:
        self.hub.put(DEVICES, "cluster1", "dev-1", {})
        assert app.stdout
        for line in app.stdout:
            if line == "begun\n":
                return
        self.fail("the handler was not called")

    def test_what_was_begun_is_finished(self) -> None:
        for kind in ("blocking", "asyncio"):
            with self.subTest(kind):
                app = self.app(kind, 0.5)
                self.edge.requeue()
                self.begun(app)
                app.send_signal(signal.SIGTERM)
                self.assertEqual(app.wait(20), 0)
                self.assertEqual(self.hub.put(DEVICES, "cluster1", "dev-1", {}, wait="observed").status, {"finished": True})
                self.assertEqual(self.edge.queue().in_flight, 0)

    def test_what_does_not_finish_goes_back(self) -> None:
        for kind in ("blocking", "asyncio"):
            with self.subTest(kind):
                app = self.app(kind, 30)
                self.begun(app)
                app.send_signal(signal.SIGTERM)
                self.assertEqual(app.wait(20), 0)
                item = eventually(lambda: self.edge.lease(wait=1), "the item")[0]
                self.assertIn("retry", item.reasons)
                self.edge.answer(item.lease, {"result": "failed", "requeueAfter": "1ms"})

    def test_a_second_signal_ends_it_at_once(self) -> None:
        app = self.app("blocking", 30)
        self.begun(app)
        app.send_signal(signal.SIGTERM)
        eventually(lambda: app.send_signal(signal.SIGTERM) or app.poll() is not None, "the end")
        self.assertEqual(app.wait(1), -signal.SIGTERM)
