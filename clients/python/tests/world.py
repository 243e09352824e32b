"""A broker and the sidecars of a source and an agent, as processes.

They are the built binary, $SIDECAR_BIN, in a folder of their own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable, Dict, Optional, TypeVar

from pillion_client import Client

DEVICES = "com.example.fleet.v1alpha1.devices"
PATIENCE = 30.0
BINARY = os.environ.get("SIDECAR_BIN", "")

CONFIG = """
role: {role}
id: {id}
{cluster}
mqtt: {{brokerHost: "{broker}"}}
dataTypes: [{devices}]
state: {{dir: {dir}/{role}, sync: false}}
api: {{socket: {dir}/{role}.sock, listen: "{listen}"}}
queue: {{retry: {{initial: 20ms, max: 200ms}}}}
log: {{level: error}}
"""

T = TypeVar("T")


def free_address() -> str:
    """An address on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def eventually(probe: Callable[[], Optional[T]], what: str, patience: float = PATIENCE) -> T:
    """What probe returns once it is true."""
    until = time.monotonic() + patience
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.01)


class World:
    """Ends with the test that made it."""

    def __init__(self, test: unittest.TestCase) -> None:
        if not BINARY:
            raise unittest.SkipTest("SIDECAR_BIN is not set; make clients sets it")
        self.dir = Path(tempfile.mkdtemp(prefix="pc"))  # short: a socket's path has at most 107 bytes
        test.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.listen = ""  # of the source's TCP listener; set before start
        self.processes: Dict[str, subprocess.Popen[str]] = {}
        test.addCleanup(self._end)
        broker = self._spawn("broker", "broker", "--listen", "127.0.0.1:0")
        assert broker.stdout
        self._broker = broker.stdout.readline().split("://")[-1].strip()

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        log = open(self.dir / f"{name}.log", "a")
        with log:
            self.processes[name] = subprocess.Popen([BINARY, *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        return self.processes[name]

    def _end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def socket(self, role: str) -> str:
        return str(self.dir / f"{role}.sock")

    def start(self, *roles: str) -> None:
        """Starts sidecars; their clients wait for them."""
        for role in roles or ("source", "agent"):
            path = self.dir / f"{role}.yaml"
            path.write_text(CONFIG.format(
                role=role, dir=self.dir, broker=self._broker, devices=DEVICES,
                id="hub1" if role == "source" else "cluster1-agent",
                cluster="cluster: cluster1" if role == "agent" else "",
                listen=self.listen if role == "source" else "",
            ))
            self._spawn(role, "run", "--config", str(path))

    def await_ready(self, *roles: str) -> None:
        for role in roles or ("source", "agent"):
            with Client(self.socket(role)) as client:
                eventually(lambda: client.status()["connection"]["state"] == "connected", f"the {role} to connect")

    def kill(self, role: str) -> None:
        """kill -9."""
        self.end(role, signal.SIGKILL)

    def end(self, role: str, how: int = signal.SIGTERM) -> None:
        process = self.processes.pop(role)
        process.send_signal(how)
        process.wait(PATIENCE)
        assert process.stdout
        process.stdout.close()
