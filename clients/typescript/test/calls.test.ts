// The calls, against the built sidecar.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplyError, Client, type Resource, SidecarError, hasCode } from "pillion-client";
import { World, at, devices, eventually } from "./world.js";

function rejects(call: Promise<unknown>, code: string, status: number): Promise<void> {
  return assert.rejects(call, (error) => error instanceof SidecarError && error.code === code && error.status === status && error.detail !== "");
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("declare, report, delete", async (t) => {
  const { hub, edge } = await World.make(t);
  const device = at("a/b ü?%");
  const spec = { on: true };
  const metadata = { labels: { field: "north" } };
  const made = await hub.put(device, spec, { metadata });
  assert.deepEqual([made.id, made.version, made.spec, made.status], ["a/b ü?%", 1, spec, undefined]);
  assert.equal((await hub.put(device, spec, { metadata })).version, 1);

  const [item] = await edge.lease<typeof spec>({ wait: 20_000 });
  assert.ok(item);
  assert.deepEqual([item.key, item.reasons, item.attempt], [{ ...device, source: "hub1" }, ["created"], 1]);
  assert.equal(item.object?.spec.on, true);
  await edge.extend(item.lease, 30_000, { step: 1 });
  await edge.answer(item.lease, { status: { online: true } });
  await rejects(edge.answer(item.lease), "not_found", 404);

  await eventually(async () => (await hub.get(device)).status?.["online"], "the last status");
  const seen = await hub.put(device, spec, { metadata, wait: "observed" });
  assert.deepEqual([seen.status, seen.sync.state, seen.statusVersion], [{ online: true }, "observed", 1]);
  const reported = await edge.setStatus({ ...device, source: "hub1" }, { more: 1 }, { merge: true, wait: "published" });
  assert.deepEqual([reported.status, reported.sync.state], [{ online: true, more: 1 }, "published"]);

  assert.ok((await hub.delete(device))?.deletionTimestamp);
  await eventually(async () => (await edge.get(device)).deletionTimestamp, "the deletion at the agent");
  assert.equal(await edge.delete(device), null);
  const gone = (error: unknown) => (hasCode(error, "not_found") ? null : Promise.reject(error));
  assert.equal(await hub.delete(device, { wait: "observed" }).catch(gone), null);
});

test("preconditions and patch", async (t) => {
  const { hub } = await World.make(t);
  const made = await hub.put(at("dev-1"), { model: "x" }, { ifNoneMatch: true });
  await rejects(hub.put(at("dev-1"), {}, { ifNoneMatch: true }), "precondition_failed", 412);
  const patched = await hub.patch(at("dev-1"), { spec: { color: "red" } }, { ifMatch: made.revision });
  assert.deepEqual([patched.spec, patched.version], [{ model: "x", color: "red" }, 2]);
  await rejects(hub.put(at("dev-1"), {}, { ifMatch: made.revision }), "precondition_failed", 412);
  assert.equal((await hub.put(at("dev-1"), {}, { version: 40 })).version, 40);
});

test("a wait that is too short shows the resource", async (t) => {
  const { hub } = await World.make(t);
  const call = hub.put(at("dev-1"), {}, { wait: "observed", waitFor: 100 });
  await assert.rejects(call, (error) => hasCode(error, "deadline_exceeded") && error.status === 504 && error.resource?.id === "dev-1");
});

test("what the sidecar refuses", async (t) => {
  const { hub, edge } = await World.make(t);
  await rejects(hub.put({ ...at("x"), cluster: "Not_A_Name" }, {}), "invalid_argument", 400);
  await rejects(hub.put(at("x"), {}, { version: 2 ** 31 }), "invalid_argument", 400);
  await assert.rejects(async () => hub.put(at("x"), Buffer.from("raw")), /needs contentType/);
  await rejects(edge.put(at("x"), {}), "forbidden", 403);
  await rejects(hub.get(at("none")), "not_found", 404);
  await rejects(hub.put(at("large"), "x".repeat(3 << 20)), "too_large", 413);
  await rejects(all(hub.watch({ cluster: "Not_A_Name" })), "invalid_argument", 400);
});

test("a spec that is not JSON", async (t) => {
  const { hub } = await World.make(t);
  const made: Resource = await hub.put(at("raw"), Uint8Array.of(0, 255), { contentType: "application/octet-stream" });
  assert.deepEqual([made.spec, made.specBase64, made.contentType], [undefined, "AP8=", "application/octet-stream"]);
});

test("lists come in pages", async (t) => {
  const { hub } = await World.make(t);
  const ids = [...Array(7).keys()].map((n) => `dev-${n}`);
  for (const id of ids) await hub.put(at(id), {});
  assert.deepEqual((await all(hub.list({ dataType: devices, limit: 3 }))).map((r) => r.id).sort(), ids);
  const page = await hub.page({ limit: 3 });
  assert.equal(page.items.length, 3);
  assert.equal((await hub.page({ limit: 3 }, page.continue)).revision, page.revision);
  assert.equal(await hub.deleteCluster("cluster1"), 7);
});

test("apply and prune", async (t) => {
  const { hub, edge } = await World.make(t);
  const items = (count: number) => [...Array(count).keys()].map((n) => ({ ...at(`dev-${n}`), spec: { n } }));
  assert.deepEqual(await hub.apply(items(300)), { applied: 300, unchanged: 0, deleted: 0, failed: 0, errors: [] });
  const pruned = await hub.apply(items(290), { prune: { dataType: devices, cluster: "cluster1" } });
  assert.deepEqual(pruned, { applied: 0, unchanged: 290, deleted: 10, failed: 0, errors: [] });
  const mixed = hub.apply([{ ...at("dev-0"), spec: 1, ifMatch: "7" }, { ...at("dev-1"), spec: 1 }]);
  await assert.rejects(mixed, (error) => {
    assert.ok(error instanceof ApplyError);
    assert.deepEqual([error.result.applied, error.result.failed, error.result.errors[0]?.code], [1, 1, "precondition_failed"]);
    return true;
  });
  await rejects(edge.apply(items(1)), "forbidden", 403);
});

test("queue and control", async (t) => {
  const { hub, edge } = await World.make(t);
  await hub.put(at("dev-1"), {});
  const [item] = await edge.lease({ wait: 20_000 });
  assert.equal((await edge.queue()).inFlight, 1);
  await edge.answer(item!.lease, { result: "failed", retry: false, error: "no such model" });
  assert.deepEqual((await edge.dead()).map((d) => [d.key.id, d.error, d.attempts]), [["dev-1", "no such model", 1]]);
  assert.equal(await edge.retryDead(item!.key), 1);
  assert.equal(await edge.requeue(), 1);
  assert.equal((await edge.queues())[0]?.name, "resources");
  await hub.synced({ dataType: devices, cluster: "cluster1" });
  await hub.resync({ cluster: "cluster1" });
  assert.deepEqual(((await hub.status())["store"] as { synced: unknown }).synced, [{ dataType: devices, cluster: "cluster1" }]);
});

test("a call ends with its signal", async (t) => {
  const { edge } = await World.make(t);
  const reason = new Error("enough");
  const ending = new AbortController();
  setTimeout(() => ending.abort(reason), 50);
  await assert.rejects(edge.lease({ wait: 60_000, signal: ending.signal }), reason);
  await assert.rejects(new Client({ socket: "/tmp/pillion-nobody.sock" }).get(at("x"), { signal: AbortSignal.timeout(200) }), { name: "TimeoutError" });
});

test("a watch goes on over a restart", async (t) => {
  const { world, hub } = await World.make(t);
  await hub.put(at("before"), {});
  const watch = hub.watch({ dataType: devices, cluster: "cluster1" });
  const seen: string[] = [];
  let since = "";
  for await (const event of watch) {
    if (event.type === "BOOKMARK") continue;
    seen.push("resource" in event ? `${event.type} ${event.resource.id}` : event.type);
    if (event.type === "SYNCED") {
      since = event.revision;
      await world.kill("source");
      world.start("source");
      await hub.put(at("after"), {});
    }
    if (seen.at(-1) === "ADDED after") break;
  }
  assert.deepEqual(seen.slice(0, 2), ["ADDED before", "SYNCED"]);
  assert.ok(!seen.includes("RESTARTED"));
  for await (const event of hub.watch({ since })) {
    if (!("resource" in event) || event.type === "MODIFIED") continue;
    assert.equal(event.resource.id, "after");
    break;
  }
});

test("a revision that has lapsed begins anew", async (t) => {
  const { hub } = await World.make(t);
  await hub.put(at("dev-1"), {});
  const ending = new AbortController();
  const watch = hub.watch({ since: "1", signal: ending.signal });
  const types: string[] = [];
  for await (const event of watch) {
    types.push(event.type);
    if (event.type === "SYNCED") ending.abort(); // ends the loop
  }
  assert.deepEqual(types, ["RESTARTED", "ADDED", "SYNCED"]);
  assert.match(watch.revision ?? "", /^\d{10,}$/);
});
