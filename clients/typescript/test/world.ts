// A broker and the sidecars of a source and an agent, as processes. They are the
// built binary, $SIDECAR_BIN, in a folder of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pillion-client";

export const devices = "com.example.fleet.v1alpha1.devices";
export const patience = 30_000;
const binary = process.env["SIDECAR_BIN"] ?? "";

export function at(id: string) {
  return { dataType: devices, cluster: "cluster1", id };
}

export type Role = "source" | "agent";

/** What probe returns once it is true. */
export async function eventually<T>(probe: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  for (const until = performance.now() + patience; ; await sleep(10)) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > until) throw new Error(`waited ${patience} ms for ${what}`);
  }
}

/** An address on which nobody listens now. */
export async function freeAddress(): Promise<string> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return `127.0.0.1:${port}`;
}

/** A gate that opens once. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

export class World {
  readonly dir = mkdtempSync(join(tmpdir(), "pc")); // short: a socket's path has at most 107 bytes
  /** What ends before the sidecars do. */
  readonly closers: (() => unknown)[] = [];
  readonly #processes = new Map<string, ChildProcess>();
  #broker = "";
  #listen = ""; // of the source's TCP listener

  /** A world that ends with the test, with both sidecars and a client on each side. */
  static async make(t: TestContext, listen = ""): Promise<{ world: World; hub: Client; edge: Client }> {
    if (!binary) throw new Error("SIDECAR_BIN is not set; make clients sets it");
    const world = new World();
    world.#listen = listen;
    t.after(() => world.#end());
    const broker = world.#spawn("broker", ["broker", "--listen", "127.0.0.1:0"]);
    const [line] = (await once(createInterface(broker.stdout!), "line")) as [string];
    world.#broker = line.split("://")[1]!;
    world.start("source", "agent");
    const [hub, edge] = [new Client({ socket: world.socket("source") }), new Client({ socket: world.socket("agent") })];
    t.after(() => [hub, edge].forEach((client) => client.close()));
    await Promise.all([hub.status(), edge.status()]); // both are there
    return { world, hub, edge };
  }

  socket(role: Role): string {
    return join(this.dir, `${role}.sock`);
  }

  start(...roles: Role[]): void {
    for (const role of roles) {
      const file = join(this.dir, `${role}.yaml`);
      writeFileSync(file, this.#config(role));
      this.#spawn(role, ["run", "--config", file]);
    }
  }

  #config(role: Role): string {
    return [
      `role: ${role}`,
      ...(role === "source" ? ["id: hub1"] : ["id: cluster1-agent", "cluster: cluster1"]),
      `mqtt: {brokerHost: "${this.#broker}"}`,
      `dataTypes: [${devices}]`,
      `state: {dir: ${join(this.dir, role)}, sync: false}`,
      `api: {socket: ${this.socket(role)}, listen: "${role === "source" ? this.#listen : ""}"}`,
      "queue: {retry: {initial: 20ms, max: 200ms}}",
      "log: {level: error}",
    ].join("\n");
  }

  #spawn(name: string, args: string[]): ChildProcess {
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", name === "broker" ? "ignore" : "inherit"] });
    this.#processes.set(name, child);
    return child;
  }

  /** kill -9. */
  async kill(role: Role): Promise<void> {
    const child = this.#processes.get(role)!;
    this.#processes.delete(role);
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  async #end(): Promise<void> {
    for (const close of this.closers) await close();
    await Promise.all([...this.#processes.keys()].map((name) => this.kill(name as Role)));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
