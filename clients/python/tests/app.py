"""An app for the signal stories: python -m tests.app blocking|asyncio SECONDS."""

import asyncio
import sys
import time

from pillion_client import Agent, AsyncAgent, Work

from .world import DEVICES

seconds = float(sys.argv[2])


def main() -> None:
    if sys.argv[1] == "asyncio":
        asyncio.run(coroutines())
        return
    agent = Agent(stop_grace=2)

    @agent.handler(DEVICES)
    def reconcile(work: Work) -> object:
        print("begun", flush=True)
        time.sleep(seconds)
        return {"finished": True}

    agent.deletion(DEVICES)(print)
    agent.run()


async def coroutines() -> None:
    agent = AsyncAgent(stop_grace=2)

    @agent.handler(DEVICES)
    async def reconcile(work: Work) -> object:
        print("begun", flush=True)
        await asyncio.sleep(seconds)
        return {"finished": True}

    agent.deletion(DEVICES)(print)
    await agent.run()


main()
