// Where the sidecar is, and how a caller shows who it is.
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { SidecarError } from "./errors.js";

export const defaultSocket = "/run/sidecar/sidecar.sock";

const idleFor = 60_000; // ms; the sidecar closes idle connections after 2 minutes
const idleKept = 32;

export interface EndpointOptions {
  /** The Unix socket. */
  socket?: string;
  /** The TCP listener in place of the socket: "https://127.0.0.1:7410". */
  baseURL?: string;
  /** The CA that has signed the certificate of the listener. */
  caFile?: string;
  token?: string;
  /** Read again for each call, so that it may be renewed. */
  tokenFile?: string;
}

/**
 * The sidecar's Unix socket, or its TCP listener: TLS and a bearer token.
 *
 * What is not given is the environment's, as with the sidecar's own commands:
 * $SIDECAR_SERVER with $SIDECAR_CA_FILE and $SIDECAR_TOKEN_FILE, else
 * $SIDECAR_SOCKET, else /run/sidecar/sidecar.sock.
 */
export class Endpoint {
  readonly name: string;
  readonly options: https.RequestOptions;
  readonly #request: typeof http.request;
  readonly #agent: http.Agent;
  readonly #token: string | undefined;
  readonly #tokenFile: string | undefined;

  constructor({ socket, baseURL, caFile, token, tokenFile }: EndpointOptions) {
    if (socket && baseURL) throw new TypeError("give either a socket or baseURL");
    const env = process.env;
    const server = baseURL || (socket ? "" : env["SIDECAR_SERVER"]);
    const keep = { keepAlive: true, maxFreeSockets: idleKept, timeout: idleFor };
    if (!server) {
      if (caFile || token || tokenFile) throw new TypeError("caFile, token and tokenFile go with baseURL only");
      this.name = socket || env["SIDECAR_SOCKET"] || defaultSocket;
      this.options = { socketPath: this.name, host: "sidecar" };
      this.#request = http.request;
      this.#agent = new http.Agent(keep);
      return;
    }
    this.#token = token;
    this.#tokenFile = tokenFile || (token ? undefined : env["SIDECAR_TOKEN_FILE"]);
    if (!token === !this.#tokenFile) throw new TypeError("baseURL needs a token or a tokenFile (api.tokenFile)");
    const url = parse(server);
    const ca = caFile || env["SIDECAR_CA_FILE"];
    const tls = { minVersion: "TLSv1.2" as const, ...(ca && { ca: readFileSync(ca) }) };
    this.name = url.origin;
    this.options = { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || 443, ...tls };
    this.#request = https.request;
    this.#agent = new https.Agent({ ...keep, ...tls });
  }

  /** A request that is not sent yet; fresh = on a connection of its own. */
  request(options: http.RequestOptions, fresh: boolean): http.ClientRequest {
    return this.#request({ ...this.options, ...options, agent: fresh ? false : this.#agent });
  }

  /** What each request carries. */
  async headers(): Promise<Record<string, string>> {
    const token = this.#tokenFile ? await readToken(this.#tokenFile) : this.#token;
    return token ? { Authorization: `Bearer ${token}` } : {};
  }

  close(): void {
    this.#agent.destroy();
  }
}

function parse(baseURL: string): URL {
  const url = URL.canParse?.(baseURL) === false ? null : new URL(baseURL);
  if (url?.protocol !== "https:" || url.pathname !== "/" || url.search) {
    throw new TypeError(`baseURL must be https://HOST:PORT, not ${JSON.stringify(baseURL)}`);
  }
  return url;
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new SidecarError("unauthenticated", `cannot read tokenFile: ${(error as Error).message}`, { cause: error });
  }
}
