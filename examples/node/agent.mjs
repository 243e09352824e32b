// The app on the cluster: takes devices from its queue, reports their status.
//
//   SIDECAR_SOCKET=/tmp/pillion/agent.sock node agent.mjs
//
// No dependencies. Runs until SIGTERM, and finishes what it has in hand.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const socketPath = process.env.SIDECAR_SOCKET ?? "/run/sidecar/sidecar.sock";
const stopping = new AbortController();

// One request over the sidecar's Unix socket.
function request(method, path, body, signal) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    const req = http.request({ socketPath, method, path, headers, signal, timeout: 90_000 }, async (res) => {
      try {
        let text = "";
        for await (const chunk of res.setEncoding("utf8")) text += chunk;
        resolve({ status: res.statusCode, answer: JSON.parse(text) });
      } catch (error) {
        reject(error);
      }
    });
    req.on("timeout", () => req.destroy(new Error("no answer")));
    req.on("error", reject);
    req.end(JSON.stringify(body));
  });
}

// Makes a call until it is answered: the sidecar may not be there yet. The
// answer is empty when the app is asked to stop.
async function call(method, path, body, signal) {
  do {
    try {
      const { status, answer } = await request(method, path, body, signal);
      if (status < 400 || status === 404) return answer; // 404: that lease was answered or has lapsed
      if (![429, 503, 504].includes(status)) {
        console.error(`${method} ${path}: ${answer.code}: ${answer.detail}`);
        process.exit(1);
      }
    } catch {
      // Nobody there, or gone before the answer: a call may be repeated as it is.
    }
    await sleep(200);
  } while (!stopping.signal.aborted);
  return {};
}

// Makes the world as the device says, and returns the result of the work.
function handle(device, attempt) {
  if (device === null) return {}; // gone meanwhile: nothing to do
  if (device.deletionTimestamp) {
    console.log(`${device.id}: cleaned up`);
    return { deleted: true };
  }
  if (device.spec?.flaky && attempt === 1) throw new Error("the device does not answer");
  console.log(`${device.id}: version ${device.version} applied`);
  return { status: { online: true, model: device.spec?.model, attempt } };
}

process.on("SIGTERM", () => stopping.abort()); // what was just being leased goes back to the queue

while (!stopping.signal.aborted) {
  const { items = [] } = await call("POST", "/v1/queues/resources/lease", { wait: "30s" }, stopping.signal);
  for (const { lease, key, object, attempt } of items) {
    let result;
    try {
      result = handle(object, attempt);
    } catch (error) { // comes back later, each time after a longer wait
      console.log(`${key.id}: failed: ${error.message}`);
      result = { result: "failed", error: error.message };
    }
    await call("POST", `/v1/leases/${lease}`, result);
  }
}
