#!/usr/bin/env python3
"""The app on the cluster, with the client library: agent.py in few words.

Usage: SIDECAR_SOCKET=/tmp/pillion/agent.sock PYTHONPATH=clients/python python3 agent_client.py
Runs until SIGTERM, and finishes what it has in hand.
"""
from pillion_client import Agent

DATA_TYPE = "com.example.fleet.v1alpha1.devices"
agent = Agent(concurrency=8)


@agent.handler(DATA_TYPE)
def reconcile(work):
    """Makes the world as the device says, and returns its status."""
    device = work.object
    if device.spec.get("flaky") and work.attempt == 1:
        print(f"{device.id}: failed: the device does not answer", flush=True)
        raise ConnectionError("the device does not answer")  # comes back later, each time after a longer wait
    print(f"{device.id}: version {device.version} applied", flush=True)
    return {"online": True, "model": device.spec.get("model"), "attempt": work.attempt}


@agent.deletion(DATA_TYPE)
def clean_up(work):
    """The deletion is confirmed when this returns."""
    print(f"{work.key.id}: cleaned up", flush=True)


agent.run()
