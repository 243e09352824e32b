// What the client does when the sidecar is away, busy, or not one.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, ApplyError, Client, type ClientOptions, type Declaration, UnreachableError, UntrustedError, hasCode } from "pillion-client";
import { type Script, certificate, folder, stub } from "./stub.js";
import { at, devices, gate } from "./world.js";

const key = { ...at("dev-1"), source: "hub1" };
const resource = { ...key, version: 1, revision: "7", spec: {}, deletionTimestamp: null, sync: { state: "pending" } };
const fine: Script = (reply) => reply.json(200, resource);
const hangUp: Script = (reply) => reply.hangUp();
const problem = (status: number, code: string): Script => (reply) => reply.problem(status, code);

async function stage(t: TestContext, scripts: Script[], options: ClientOptions = {}) {
  const sidecar = await stub(t, scripts);
  const client = new Client({ socket: sidecar.socket, ...options });
  t.after(() => client.close());
  return { sidecar, client };
}

test("what is repeated", async (t) => {
  for (const trouble of [hangUp, problem(503, "unavailable"), problem(429, "too_many_requests"), problem(408, "timeout")]) {
    const { sidecar, client } = await stage(t, [trouble, trouble, fine]);
    assert.equal((await client.put(key, {})).revision, "7");
    assert.equal(sidecar.requests.length, 3);
  }
});

test("what is not repeated", async (t) => {
  const codes: [number, string][] = [[400, "invalid_argument"], [403, "forbidden"], [504, "deadline_exceeded"], [507, "disk_full"], [500, "internal"]];
  for (const [status, code] of codes) {
    const { sidecar, client } = await stage(t, [problem(status, code)]);
    await assert.rejects(client.put(key, {}), { code, status });
    assert.equal(sidecar.requests.length, 1);
  }
});

test("Retry-After is waited for", async (t) => {
  const { client } = await stage(t, [(reply) => reply.problem(503, "unavailable", { "Retry-After": "1" }), fine]);
  const began = performance.now();
  await client.get(key);
  assert.ok(performance.now() - began >= 990);
});

test("the end of patience", async (t) => {
  const { sidecar, client } = await stage(t, [problem(503, "unavailable")], { retryFor: 300 });
  await assert.rejects(client.get(key), { code: "unavailable" });
  assert.ok(sidecar.requests.length > 1);
  const nobody = new Client({ socket: "/tmp/pillion-nobody.sock", retryFor: 0 });
  await assert.rejects(nobody.get(key), (error) => error instanceof UnreachableError && !error.sent && /is the sidecar running/.test(error.detail));
});

test("a sidecar that does not answer", async (t) => {
  const { client } = await stage(t, [() => undefined], { retryFor: 0, timeout: 200 });
  await assert.rejects(client.get(key), (error) => error instanceof UnreachableError && error.sent);
});

test("a precondition is not repeated once it may be taken", async (t) => {
  const first = await stage(t, [hangUp, fine]);
  await assert.rejects(first.client.put(key, {}, { ifMatch: "7" }), UnreachableError);
  assert.deepEqual(first.sidecar.requests.map((r) => r.headers["if-match"]), ['"7"']);
  const second = await stage(t, [problem(503, "unavailable"), fine]);
  await second.client.put(key, {}, { ifNoneMatch: true }); // was refused, not taken
  assert.deepEqual(second.sidecar.requests.map((r) => r.headers["if-none-match"]), ["*", "*"]);
});

test("gone when repeated is done", async (t) => {
  const { client } = await stage(t, [hangUp, problem(404, "not_found")]);
  assert.equal(await client.delete(key), null);
  await assert.rejects(client.delete(key), { code: "not_found" });
});

test("a server that is no sidecar", async (t) => {
  for (const body of [["x"], { message: "x" }, "x"]) {
    const { client } = await stage(t, [(reply) => reply.json(404, body)]);
    await assert.rejects(client.get(key), /is it one\?/);
  }
  const list = await stage(t, [(reply) => reply.json(200, [])]);
  await assert.rejects(list.client.get(key), /is it one\?/);
  const cut: Script = ({ response }) => void response.writeHead(200, { "Content-Length": 50 }).write("{", () => response.socket?.destroy());
  const { client } = await stage(t, [cut, fine]);
  assert.equal((await client.get(key)).version, 1);
});

function* items(count: number): Generator<Declaration> {
  for (let n = 0; n < count; n++) yield { dataType: devices, cluster: "cluster1", id: `dev-${n}`, spec: { n, fill: "x".repeat(1000) } };
}

test("items of an apply are streamed and counted", async (t) => {
  const result = { applied: 300, unchanged: 0, deleted: 2, failed: 0, errors: [] };
  const { sidecar, client } = await stage(t, [(reply) => reply.json(200, result)]);
  assert.deepEqual(await client.apply(items(300), { prune: { dataType: devices, cluster: "cluster1" } }), result);
  const { method, path, headers, body } = sidecar.requests[0]!;
  assert.deepEqual([method, path], ["POST", `/v1/resources/apply?prune=true&dataType=${devices}&cluster=cluster1`]);
  assert.deepEqual([headers["content-type"], headers["transfer-encoding"]], ["application/x-ndjson", "chunked"]);
  const lines = body.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([lines[7].id, lines[7].spec.n], ["dev-7", 7]);
  assert.deepEqual(lines.slice(300), [{ end: true, items: 300 }]);
});

test("failed items of an apply are told", async (t) => {
  const wrong = { line: 2, key, code: "invalid_argument", detail: "no" };
  const { client } = await stage(t, [(reply) => reply.json(422, { applied: 1, failed: 1, errors: [wrong] })]);
  const told = (error: unknown) => error instanceof ApplyError && error.result.applied === 1 && /line 2: invalid_argument: no/.test(error.message);
  await assert.rejects(client.apply(items(2)), told);
});

test("an answer before the end of an apply", async (t) => {
  const refuse: Script = async (reply) => {
    reply.problem(403, "forbidden", { Connection: "close" });
    await sleep(100);
  };
  const { sidecar, client } = await stage(t, [refuse]);
  sidecar.readsBodies = false;
  await assert.rejects(client.apply(items(20_000)), { code: "forbidden" });
});

test("an apply that was begun is not repeated", async (t) => {
  const { sidecar, client } = await stage(t, [(reply) => reply.problem(503, "unavailable"), (reply) => reply.json(200, { applied: 0 })]);
  await assert.rejects(client.apply(items(300)), { code: "unavailable" });
  assert.equal(sidecar.requests.length, 1);
});

test("an apply waits for the sidecar", async (t) => {
  const dir = folder(t);
  const socket = join(dir, "late.sock");
  const client = new Client({ socket });
  const result = client.apply(items(300));
  await sleep(200);
  const lines: string[] = [];
  const server = http.createServer(async (request, response) => {
    for await (const piece of request.setEncoding("utf8")) lines.push(piece);
    response.end("{}");
  });
  server.listen(socket);
  t.after(() => server.close());
  await result;
  client.close();
  assert.equal(lines.join("").trimEnd().split("\n").length, 300);
});

test("the caller's own error in an apply", async (t) => {
  const own = new Error("the disk is broken");
  async function* broken(): AsyncGenerator<Declaration> {
    yield* items(100);
    throw own;
  }
  const { client } = await stage(t, [fine]);
  await assert.rejects(client.apply(broken()), own);
});

const added = (id: string, revision: string) => ({ type: "ADDED", resource: { ...resource, id, revision } });

test("where a watch goes on", async (t) => {
  const error = (status: number, code: string) => ({ type: "ERROR", error: { status, code, detail: "as told" } });
  const { sidecar, client } = await stage(t, [
    (reply) => reply.lines(added("a", "9")), // the first listing is cut
    (reply) => reply.lines(added("a", "9"), { type: "SYNCED", revision: "10" }, added("b", "11"), '{"type":"ADD'),
    (reply) => reply.lines({ type: "BOOKMARK", revision: "20" }, error(503, "unavailable")),
    problem(503, "unavailable"),
    problem(410, "expired"),
    (reply) => reply.lines(error(403, "forbidden")),
  ]);
  const seen: string[] = [];
  const read = async () => {
    for await (const event of client.watch({ dataType: devices })) seen.push("resource" in event ? event.resource.id : event.type);
  };
  await assert.rejects(read(), { code: "forbidden", status: 403 });
  assert.deepEqual(seen, ["a", "RESTARTED", "a", "SYNCED", "b", "BOOKMARK", "RESTARTED"]);
  assert.deepEqual(sidecar.requests.map((r) => r.path.split("since=")[1]), [undefined, undefined, "11", "20", "20", undefined]);
});

test("a line of a watch that is none", async (t) => {
  for (const line of ["{\n", "[]\n", "{}\n"]) {
    const { client } = await stage(t, [(reply) => reply.lines(line), (reply) => reply.lines(added("a", "9"))]);
    for await (const event of client.watch()) {
      assert.ok("resource" in event);
      break;
    }
  }
});

test("what is handed out when a worker is stopped goes back", async (t) => {
  const [leasing, back] = [gate(), gate()];
  let closed = false;
  const sidecar: Script = async (reply, { path, body }) => {
    if (path === "/v1/leases/L1") {
      assert.deepEqual(JSON.parse(body), { result: "done", requeueAfter: "1ms" });
      back.open();
      return reply.json(200);
    }
    const end = new Promise((resolve) => reply.response.socket!.once("end", resolve));
    leasing.open();
    await end; // the worker has closed its side
    closed = true;
    reply.json(200, { items: [{ lease: "L1", key, reasons: ["created"], attempt: 1, object: resource }] });
  };
  const { client } = await stage(t, [sidecar]);
  const nothing = () => assert.fail("nothing is begun any more");
  const agent = new Agent({ client }).on(devices, { reconcile: nothing, remove: nothing });
  const ended = agent.run({ signals: false });
  await leasing.opened;
  agent.stop();
  await ended;
  await back.opened;
  assert.ok(closed);
});

test("over TLS: token and CA", async (t) => {
  const dir = folder(t);
  const { caFile, tls } = certificate(dir);
  let token = "secret-1";
  const guarded: Script = (reply, { headers, path }) => {
    if (headers.authorization !== `Bearer ${token}`) return reply.problem(401, "unauthenticated");
    if (path.includes("watch")) return reply.lines({ type: "SYNCED", revision: "1" });
    reply.json(200, resource);
  };
  const { url } = await stub(t, [guarded], tls);
  const make = (options: ClientOptions) => {
    const client = new Client({ baseURL: url, ...options });
    t.after(() => client.close());
    return client;
  };
  const client = make({ caFile, token });
  assert.equal((await client.get(key)).id, "dev-1");
  assert.equal((await client.put(key, { large: "x".repeat(500_000) })).id, "dev-1");
  for await (const event of client.watch()) {
    assert.equal(event.type, "SYNCED");
    break;
  }
  await assert.rejects(make({ caFile, token: "wrong" }).get(key), { code: "unauthenticated" });
  await assert.rejects(make({ token }).get(key), (error) => error instanceof UntrustedError && /caFile/.test(error.detail));

  const tokenFile = join(dir, "token");
  const renewed = make({ caFile, tokenFile });
  await assert.rejects(renewed.get(key), (error) => hasCode(error, "unauthenticated") && /cannot read tokenFile/.test(error.detail));
  for (token of ["secret-1", "secret-2"]) {
    writeFileSync(tokenFile, token + "\n");
    assert.equal((await renewed.get(key)).id, "dev-1");
  }
});

test("arguments that do not fit", () => {
  const baseURL = "https://127.0.0.1:1";
  const wrong: ClientOptions[] = [
    { baseURL: "http://127.0.0.1:1", token: "x" }, { baseURL }, { token: "x" }, { socket: "/x", baseURL, token: "x" },
    { baseURL, token: "x", tokenFile: "y" }, { baseURL: "https://h/path", token: "x" }, { baseURL: "nonsense", token: "x" },
  ];
  for (const options of wrong) assert.throws(() => new Client(options), TypeError, JSON.stringify(options));
});
