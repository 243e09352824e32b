// A stand-in for the sidecar that misbehaves as it is told.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface Seen {
  method: string;
  path: string;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export type Script = (answer: Reply, seen: Seen) => void | Promise<void>;

/** The answer to one request. */
export class Reply {
  constructor(readonly response: http.ServerResponse) {}

  json(status: number, body: unknown = {}, headers: http.OutgoingHttpHeaders = {}): void {
    this.response.writeHead(status, headers).end(JSON.stringify(body));
  }

  problem(status: number, code: string, headers: http.OutgoingHttpHeaders = {}): void {
    this.json(status, { status, code, detail: "as told" }, headers);
  }

  hangUp(): void {
    this.response.socket?.destroy();
  }

  /** Lines as they are, and then the connection breaks. */
  lines(...lines: unknown[]): void {
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line) + "\n")).join("");
    this.response.writeHead(200).write(text, () => this.hangUp());
  }
}

export interface Stub {
  socket: string;
  url: string;
  requests: Seen[];
  readsBodies: boolean;
}

export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "pc"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A server for which the first request gets the first script, later ones the last. */
export async function stub(t: TestContext, scripts: Script[], tls?: https.ServerOptions): Promise<Stub> {
  const socket = join(folder(t), "stub.sock");
  const state: Stub = { socket, url: "", requests: [], readsBodies: true };
  let next = 0;
  const serve: http.RequestListener = (request, response) => {
    void (async () => {
      const script = scripts[Math.min(next++, scripts.length - 1)]!;
      let body = "";
      if (state.readsBodies) for await (const piece of request.setEncoding("utf8")) body += piece;
      const seen = { method: request.method!, path: request.url!, headers: request.headers, body };
      state.requests.push(seen);
      await script(new Reply(response), seen);
    })().catch(() => response.destroy());
  };
  const server = tls ? https.createServer(tls, serve) : http.createServer({}, serve);
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true; // as Go's server
  server.listen(tls ? { host: "127.0.0.1", port: 0 } : { path: socket });
  await once(server, "listening");
  if (tls) state.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return state;
}

/** A certificate for 127.0.0.1 that is its own CA. */
export function certificate(dir: string): { caFile: string; tls: https.ServerOptions } {
  const [key, cert] = [join(dir, "tls.key"), join(dir, "tls.crt")];
  const names = ["-subj", "/CN=sidecar", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
  return { caFile: cert, tls: { key: readFileSync(key), cert: readFileSync(cert) } };
}
