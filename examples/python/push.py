#!/usr/bin/env python3
"""The app on the cluster, called by its sidecar instead of asking it: a push
receiver. Each POST is one device to look after; the answer is the result.

Usage: APP_SOCKET=/tmp/pillion/app.sock python3 push.py
Standard library only. Runs until SIGTERM, and finishes what it has in hand.
"""
import http.server
import json
import os
import signal
import socketserver
import threading

SOCKET = os.environ.get("APP_SOCKET", "/run/app/app.sock")


def say(line):
    print(line + "\n", end="", flush=True)  # in one piece: several calls run side by side


def handle(device, attempt):
    """Makes the world as the device says, and returns the result of the work."""
    if device is None:
        return {}  # gone meanwhile: nothing to do
    if device["deletionTimestamp"]:
        say(f"{device['id']}: cleaned up")
        return {"deleted": True}
    spec = device.get("spec") or {}
    if spec.get("flaky") and attempt == 1:
        raise ConnectionError("the device does not answer")
    say(f"{device['id']}: version {device['version']} applied")
    return {"status": {"online": True, "model": spec.get("model"), "attempt": attempt}}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers each item with a result; 500 brings it back later."""

    def do_POST(self):
        item = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, result = 200, handle(item["object"], item["attempt"])
        except Exception as error:  # comes back, each time after a longer wait
            say(f"{item['key']['id']}: failed: {error}")
            status, result = 500, {}
        body = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # healthURL
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

    def address_string(self):
        return SOCKET


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False  # the end waits for what is in hand
    request_queue_size = 128


if os.path.exists(SOCKET):
    os.unlink(SOCKET)  # of an earlier run
with Server(SOCKET, Receiver) as server:
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
os.unlink(SOCKET)
