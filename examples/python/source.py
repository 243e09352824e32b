#!/usr/bin/env python3
"""The app at the hub: declares devices, watches their status, deletes them.

Usage: SIDECAR_SOCKET=/tmp/pillion/source.sock python3 source.py [ID...]
Standard library only. Ends when all devices are gone, or at SIGTERM.
"""
import http.client
import json
import os
import signal
import socket
import sys
import time

SOCKET = os.environ.get("SIDECAR_SOCKET", "/run/sidecar/sidecar.sock")
DATA_TYPE = "com.example.fleet.v1alpha1.devices"
CLUSTER = os.environ.get("CLUSTER", "cluster1")


class Connection(http.client.HTTPConnection):
    """HTTP over the sidecar's Unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method, path, body={}):
    """Makes a call until it is answered: the sidecar may not be there yet."""
    while True:
        try:
            connection = Connection("sidecar", timeout=90)
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer, status = json.loads(response.read()), response.status
            if status < 400 or status == 404:
                return answer
            if status not in (429, 503, 504):  # these may be repeated as they are
                raise SystemExit(f"{method} {path}: {answer['code']}: {answer['detail']}")
        except (OSError, http.client.HTTPException):
            pass  # nobody there, or gone before the answer: may be repeated too
        time.sleep(0.2)


def watch():
    """Yields changes. Each new connection begins with everything there is."""
    while True:
        try:
            connection = Connection("sidecar", timeout=30)  # a bookmark comes every 15 s
            connection.request("GET", f"/v1/resources?watch=true&dataType={DATA_TYPE}&cluster={CLUSTER}")
            for line in connection.getresponse():  # NDJSON: one event a line
                yield json.loads(line)
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
devices = sys.argv[1:] or ["dev-1", "dev-2", "dev-3"]
path = f"/v1/resources/{DATA_TYPE}/{CLUSTER}/"
for device in devices:
    spec = {"model": "tractor-x", "flaky": device.endswith("2")}
    print(f"{device}: declared, version {call('PUT', path + device, {'spec': spec})['version']}", flush=True)
call("POST", "/v1/synced")  # that was all: what agents hold beyond it may be deleted

waiting = set(devices)
for event in watch():
    resource = event.get("resource", {})
    if resource.get("id") in waiting and resource["sync"]["state"] == "observed":
        waiting.remove(resource["id"])
        print(f"{resource['id']}: observed, status {json.dumps(resource['status'])}", flush=True)
    if not waiting:
        break

for device in devices:
    call("DELETE", path + device + "?wait=observed&timeout=30s")  # answers when it is gone
    print(f"{device}: gone", flush=True)
