// The app at the hub: declares devices, leases their statuses, deletes them.
//
//   SIDECAR_SOCKET=/tmp/pillion/source.sock node source.mjs [ID...]
//
// No dependencies. Ends when all devices are gone, or at SIGTERM.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const socketPath = process.env.SIDECAR_SOCKET ?? "/run/sidecar/sidecar.sock";
const dataType = "com.example.fleet.v1alpha1.devices";
const cluster = process.env.CLUSTER ?? "cluster1";

// One request over the sidecar's Unix socket.
function request(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    const req = http.request({ socketPath, method, path, headers, timeout: 90_000 }, async (res) => {
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
    req.end(body && JSON.stringify(body));
  });
}

// Makes a call until it is answered: the sidecar may not be there yet.
async function call(method, path, body) {
  for (;;) {
    try {
      const { status, answer } = await request(method, path, body);
      if (status < 400 || status === 404) return answer;
      if (![429, 503, 504].includes(status)) fail(`${method} ${path}: ${answer.code}: ${answer.detail}`);
    } catch {
      // Nobody there, or gone before the answer: a call may be repeated as it is.
    }
    await sleep(200);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

// Leases what happened until every device was accepted once.
async function until(devices, accept) {
  const waiting = new Set(devices);
  while (waiting.size > 0) {
    const { items } = await call("POST", "/v1/queues/resources/lease", { max: 10, wait: "30s" });
    for (const { lease, key, object } of items) {
      if (waiting.has(key.id) && accept(key.id, object)) waiting.delete(key.id);
      await call("POST", `/v1/leases/${lease}`, {}); // done; it comes back when it changes
    }
  }
}

process.on("SIGTERM", () => process.exit(0));

const devices = process.argv.length > 2 ? process.argv.slice(2) : ["dev-1", "dev-2", "dev-3"];
const path = (device) => `/v1/resources/${dataType}/${cluster}/${encodeURIComponent(device)}`;
for (const device of devices) {
  const spec = { model: "tractor-x", flaky: device.endsWith("2") };
  const { version } = await call("PUT", path(device), { spec });
  console.log(`${device}: declared, version ${version}`);
}
await call("POST", "/v1/synced"); // that was all: what agents hold beyond it may be deleted
await until(devices, (device, object) => {
  if (object?.sync.state !== "observed") return false;
  console.log(`${device}: observed, status ${JSON.stringify(object.status)}`);
  return true;
});
for (const device of devices) await call("DELETE", path(device));
await until(devices, (device, object) => object === null && (console.log(`${device}: gone`), true));
