// An app for the stories of signals: how long its handler works is its argument.
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "pillion-client";
import { devices } from "./world.js";

const agent = new Agent().on(devices, {
  async reconcile() {
    console.log("begun");
    await sleep(Number(process.argv[2]));
    return { finished: true };
  },
  remove: () => undefined,
});
await agent.run();
