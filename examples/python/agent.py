#!/usr/bin/env python3
"""The app on the cluster: takes devices from its queue, reports their status.

Usage: SIDECAR_SOCKET=/tmp/pillion/agent.sock python3 agent.py
Standard library only. Runs until SIGTERM, and finishes what it has in hand.
"""
import http.client
import json
import os
import signal
import socket
import sys
import time

SOCKET = os.environ.get("SIDECAR_SOCKET", "/run/sidecar/sidecar.sock")


class Connection(http.client.HTTPConnection):
    """HTTP over the sidecar's Unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method, path, body):
    """Makes a call until it is answered: the sidecar may not be there yet."""
    while True:
        try:
            connection = Connection("sidecar", timeout=90)
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer, status = json.loads(response.read()), response.status
            if status < 400 or status == 404:  # 404: that lease was answered or has lapsed
                return answer
            if status not in (429, 503, 504):  # these may be repeated as they are
                raise SystemExit(f"{method} {path}: {answer['code']}: {answer['detail']}")
        except (OSError, http.client.HTTPException):
            if stopping:
                sys.exit(0)  # otherwise: nobody there, or gone before the answer; may be repeated too
        time.sleep(0.2)


def handle(device, attempt):
    """Makes the world as the device says, and returns the result of the work."""
    if device is None:
        return {}  # gone meanwhile: nothing to do
    if device["deletionTimestamp"]:
        print(f"{device['id']}: cleaned up", flush=True)
        return {"deleted": True}
    spec = device.get("spec") or {}
    if spec.get("flaky") and attempt == 1:
        raise ConnectionError("the device does not answer")
    print(f"{device['id']}: version {device['version']} applied", flush=True)
    return {"status": {"online": True, "model": spec.get("model"), "attempt": attempt}}


def stop(*_):
    if idle:
        sys.exit(0)  # what was just being leased goes back to the queue
    globals()["stopping"] = True


idle = stopping = False
signal.signal(signal.SIGTERM, stop)
while not stopping:
    idle = True
    work = call("POST", "/v1/queues/resources/lease", {"wait": "30s"})["items"]
    idle = False
    for item in work:
        try:
            result = handle(item["object"], item["attempt"])
        except Exception as error:  # comes back later, each time after a longer wait
            print(f"{item['key']['id']}: failed: {error}", flush=True)
            result = {"result": "failed", "error": str(error)}
        call("POST", "/v1/leases/" + item["lease"], result)
