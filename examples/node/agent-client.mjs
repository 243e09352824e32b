// The app on the cluster, with the client library: agent.mjs in few words.
//
//   SIDECAR_SOCKET=/tmp/pillion/agent.sock node agent-client.mjs
//
// Runs until SIGTERM, and finishes what it has in hand.
import { Agent } from "../../clients/typescript/dist/index.js"; // your own: "pillion-client"

const agent = new Agent({ concurrency: 8 });

agent.on("com.example.fleet.v1alpha1.devices", {
  // Makes the world as the device says, and returns its status.
  reconcile({ object: device, attempt }) {
    if (device.spec.flaky && attempt === 1) {
      console.log(`${device.id}: failed: the device does not answer`);
      throw new Error("the device does not answer"); // comes back later, each time after a longer wait
    }
    console.log(`${device.id}: version ${device.version} applied`);
    return { online: true, model: device.spec.model, attempt };
  },
  // The deletion is confirmed when this returns.
  remove({ key }) {
    console.log(`${key.id}: cleaned up`);
  },
});

await agent.run();
