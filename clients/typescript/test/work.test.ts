// Reconcile loops, against the built sidecar.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Agent, Client, Failure, Result, Source, type Returned, type Work, type Worker, type WorkerOptions } from "pillion-client";
import { World, at, devices, eventually, freeAddress, gate } from "./world.js";

type Reconcile = (work: Work<{ model: string }>) => Returned | Promise<Returned>;

/** A worker that runs until it is stopped. */
class Running {
  readonly ended: Promise<void>;

  constructor(world: World, readonly worker: Worker) {
    this.ended = worker.run({ signals: false });
    this.ended.catch(() => undefined);
    world.closers.push(() => this.stop().catch(() => undefined));
  }

  stop(): Promise<void> {
    this.worker.stop();
    return this.ended;
  }
}

interface Stage {
  calls: string[];
  warnings: string[];
  overlap: boolean;
  running: Running;
}

/** Starts an agent, and notes the calls of its handlers. */
function start(world: World, client: Client, reconcile: Reconcile, options: WorkerOptions = {}): Stage {
  const busy = new Set<string>();
  const warnings: string[] = [];
  const onWarning = (message: string, error: unknown) => warnings.push(`${message}: ${error}`);
  const agent = new Agent({ client, onWarning, ...options });
  const stage = { calls: [] as string[], warnings, overlap: false };
  const noted = (name: string, handler: Reconcile): Reconcile => async (work) => {
    stage.calls.push(`${name} ${work.key.id}`);
    stage.overlap ||= busy.has(work.key.id);
    busy.add(work.key.id);
    try {
      return await handler(work);
    } finally {
      busy.delete(work.key.id);
    }
  };
  agent.on<{ model: string }>(devices, { reconcile: noted("reconcile", reconcile), remove: noted("remove", () => undefined) });
  return Object.assign(stage, { running: new Running(world, agent) });
}

const spec = { model: "x" };

test("the whole story", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { calls } = start(world, edge, (work) => ({ online: true, model: work.object.spec.model }));
  const seen: unknown[] = [];
  const source = new Source({ client: hub }).on(devices, {
    status: (work) => void seen.push(work.object.status),
    deleted: (key) => void seen.push(key),
  });
  new Running(world, source);
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { online: true, model: "x" });
  await eventually(() => seen.length === 1, "the source's handler");
  assert.equal(await hub.delete(at("dev-1"), { wait: "observed" }), null);
  await eventually(() => seen.length === 2, "the end at the source");
  assert.deepEqual(seen, [{ online: true, model: "x" }, { ...at("dev-1"), source: "hub1" }]);
  assert.deepEqual(calls, ["reconcile dev-1", "remove dev-1"]);
});

test("what fails comes back", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { warnings } = start(world, edge, ({ attempt }) => {
    if (attempt < 3) throw new Error("the device does not answer");
    return { attempt };
  });
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { attempt: 3 });
  assert.equal(warnings.filter((w) => w.includes("handler failed") && w.includes("does not answer")).length, 2);
});

test("giving up says why", async (t) => {
  const { world, hub, edge } = await World.make(t);
  start(world, edge, () => {
    throw new Failure("no such model", { retry: false, status: { reason: "no such model" } });
  });
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { reason: "no such model" });
  const [dead] = await eventually(async () => ((await edge.dead()).length ? edge.dead() : undefined), "a dead key");
  assert.deepEqual([dead?.error, dead?.attempts], ["no such model", 1]);
});

test("a result that is refused, or cannot be sent, is a failure", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { warnings } = start(world, edge, ({ attempt }) => {
    if (attempt === 1) return { large: "x".repeat(3 << 20) };
    if (attempt === 2) return { large: 1n };
    if (attempt === 3) return 1 as unknown as Returned;
    if (attempt === 4) throw new Failure("no", { status: { large: 1n } });
    return { attempt };
  });
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { attempt: 5 });
  assert.match(warnings[0]!, /result refused.*too_large/);
  assert.match(warnings[1]!, /BigInt/);
  assert.match(warnings[2]!, /a handler returns a status/);
});

test("a handler may come back", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const again = new Result({ requeueAfter: 20 });
  let [looks, drains] = [0, 0];
  const agent = new Agent({ client: edge }).on(devices, {
    reconcile: () => (++looks < 3 ? again : { looks }),
    remove: () => (++drains < 3 ? again : undefined),
  });
  new Running(world, agent);
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { looks: 3 });
  assert.equal(await hub.delete(at("dev-1"), { wait: "observed" }), null);
  assert.equal(drains, 3);
});

test("a long handler keeps its lease", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { calls } = start(world, edge, async ({ attempt }) => {
    await sleep(2500);
    return { attempt };
  }, { leaseFor: 1000 });
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { attempt: 1 });
  assert.deepEqual(calls, ["reconcile dev-1"]);
});

test("handlers run at the same time, up to the limit", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { open, opened } = gate();
  let [working, most] = [0, 0];
  start(world, edge, async () => {
    most = Math.max(most, ++working);
    if (working === 3) open();
    await opened;
    working--;
  }, { concurrency: 3 });
  for (const id of ["a", "b", "c", "d", "e"]) await hub.put(at(id), spec);
  await eventually(async () => working === 0 && (await edge.queue()).depth === 0, "all of them");
  assert.equal(most, 3);
});

test("kill and restart of the sidecar", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { open, opened } = gate();
  let lost = false;
  const stage = start(world, edge, async ({ signal }) => {
    const call = stage.calls.length;
    if (call > 1) return { call };
    await opened;
    await eventually(() => signal.aborted, "the loss of the lease");
    lost = true;
    return { call };
  }, { leaseFor: 1000 });
  await hub.put(at("dev-1"), spec);
  await eventually(() => stage.calls.length === 1, "the first call");
  await world.kill("agent");
  world.start("agent");
  await edge.status(); // it is back
  open();
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { call: 2 });
  assert.deepEqual([lost, stage.overlap], [true, false]);
});

test("stop finishes what was begun", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { open, opened } = gate();
  const { running, calls } = start(world, edge, async () => {
    await opened;
    return { done: true };
  }, { concurrency: 1 });
  await hub.put(at("begun"), spec);
  await eventually(() => calls.length === 1, "the handler");
  await hub.put(at("waiting"), spec);
  await eventually(async () => (await edge.queue()).depth === 1, "the other device");
  const stopped = running.stop();
  open();
  await stopped;
  assert.deepEqual((await hub.put(at("begun"), spec, { wait: "observed" })).status, { done: true });
  const { depth, inFlight } = await edge.queue();
  assert.deepEqual([calls, depth, inFlight], [["reconcile begun"], 1, 0]);
});

test("stop gives back what does not finish", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const { running, calls, warnings } = start(world, edge, ({ signal }) => once(signal, "abort").then(() => undefined), { stopGrace: 200 });
  await hub.put(at("dev-1"), spec);
  await eventually(() => calls.length === 1, "the handler");
  await running.stop();
  assert.match(warnings.at(-1)!, /did not finish in time/);
  const [item] = await edge.lease({ wait: 20_000 }); // at once, not when the lease would lapse
  assert.equal(item?.attempt, 2);
});

test("stop while the sidecar is away", async (t) => {
  const { world, edge } = await World.make(t);
  const { running, warnings } = start(world, edge, () => undefined);
  await world.kill("agent");
  await eventually(() => warnings.length, "the loss of the sidecar");
  await running.stop();
});

test("over TCP: calls, a watch and a worker", async (t) => {
  const address = await freeAddress();
  const { world } = await World.make(t, address);
  const [ca, token] = ["ca.crt", "token"].map((name) => join(world.dir, "source", name)) as [string, string];
  const environment = { SIDECAR_SERVER: `https://${address}`, SIDECAR_CA_FILE: ca, SIDECAR_TOKEN_FILE: token };
  Object.assign(process.env, environment);
  const client = new Client();
  for (const name of Object.keys(environment)) delete process.env[name];
  t.after(() => client.close());
  assert.equal((await client.put(at("dev-1"), spec)).version, 1);
  for await (const event of client.watch()) {
    assert.ok("resource" in event);
    break;
  }
  const source = new Source({ client }).on(devices, { status: () => undefined });
  const running = new Running(world, source);
  await eventually(async () => (await client.queue()).name, "an answer while it polls");
  const began = performance.now();
  await running.stop();
  assert.ok(performance.now() - began < 5000); // the poll was interrupted
  await assert.rejects(new Client({ baseURL: `https://${address}`, caFile: ca, token: "no" }).status(), { code: "unauthenticated" });
});

test("a mistake ends the worker", async (t) => {
  const { edge } = await World.make(t);
  const nothing = { reconcile: () => undefined, remove: () => undefined };
  await assert.rejects(new Agent({ client: edge }).on("Not a type", nothing).run(), { code: "invalid_argument" });
  await assert.rejects(new Agent({ client: edge }).run(), /no handler/);
  assert.throws(() => new Agent({ client: edge }).on(devices, nothing).on(devices, nothing), /already/);
  assert.throws(() => new Agent({ client: edge, concurrency: 0 }), RangeError);
});

test("SIGTERM finishes what was begun, a second one does not", async (t) => {
  const { world, hub, edge } = await World.make(t);
  const app = async (milliseconds: number) => {
    const file = fileURLToPath(new URL("./app.js", import.meta.url));
    const env = { ...process.env, SIDECAR_SOCKET: world.socket("agent") };
    const child = spawn(process.execPath, [file, String(milliseconds)], { env, stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    await once(createInterface(child.stdout), "line");
    return child;
  };
  await hub.put(at("dev-1"), spec);
  const patient = await app(500);
  patient.kill("SIGTERM");
  assert.deepEqual(await once(patient, "exit"), [0, null]);
  assert.deepEqual((await hub.put(at("dev-1"), spec, { wait: "observed" })).status, { finished: true });

  await edge.requeue();
  const hurried = await app(60_000);
  const exit = once(hurried, "exit");
  const again = setInterval(() => hurried.kill("SIGTERM"), 50);
  t.after(() => clearInterval(again));
  assert.deepEqual(await exit, [null, "SIGTERM"]);
});
