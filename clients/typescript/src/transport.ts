// HTTP/1.1 on the sidecar's socket, by Node's own client.
import type http from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { Endpoint } from "./endpoint.js";
import { SidecarError, UnreachableError, UntrustedError, fromProblem } from "./errors.js";

const maxAnswer = 1 << 30; // bytes
const maxLine = 64 << 20;

/** One call: what to send, and how it behaves. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: string;
  /** A body in pieces, in place of body. */
  pieces?: Pieces;
  contentType?: string;
  headers?: Record<string, string>;
  /** Milliseconds that the sidecar may take on top. */
  waits?: number;
  /** Not to be repeated when it may have been taken. */
  once?: boolean;
  /** 404 when repeated means that it was taken. */
  goneIsDone?: boolean;
  signal?: AbortSignal | undefined;
  /**
   * Ends a call that waits. Only the sending side is closed, so that an answer
   * that is under way still comes: what a lease hands out is never lost.
   */
  interrupt?: AbortSignal;
}

/** A body that can be made once only: what it is made of may be gone then. */
export class Pieces {
  begun = false;

  constructor(readonly made: AsyncIterable<string>) {}

  begin(): AsyncIterable<string> {
    this.begun = true;
    return this.made;
  }
}

export interface Answer {
  status: number;
  /** JSON; undefined if there was none. */
  body: unknown;
}

/** Carries calls. */
export class Transport {
  constructor(readonly endpoint: Endpoint, readonly timeout: number) {}

  /** The answer of a call; UnreachableError if there is none. An answer that is an error is thrown. */
  async send(call: Call): Promise<Answer> {
    const exchange = await Exchange.begin(this.endpoint, call, this.timeout + (call.waits ?? 0), call.once ?? false);
    return exchange.whole();
  }

  /** The lines of an answer that goes on. Silence is how long none may come, in milliseconds. */
  async *lines(call: Call, silence: number): AsyncGenerator<string> {
    const exchange = await Exchange.begin(this.endpoint, call, silence, true);
    yield* exchange.lines();
  }
}

/** One request and its answer. */
class Exchange {
  #sent = false;
  #socket: Socket | undefined;
  #bodyError: { cause: unknown } | undefined;

  private constructor(readonly endpoint: Endpoint, readonly call: Call) {}

  static async begin(endpoint: Endpoint, call: Call, patience: number, fresh: boolean): Promise<Exchange> {
    const headers = await endpoint.headers();
    const exchange = new Exchange(endpoint, call);
    exchange.#start(headers, patience, fresh);
    return exchange;
  }

  #request!: http.ClientRequest;
  #response!: Promise<http.IncomingMessage>;

  #start(headers: Record<string, string>, patience: number, fresh: boolean): void {
    const { call } = this;
    const request = this.endpoint.request({
      method: call.method, path: target(call), timeout: patience, headers: { ...headersOf(call), ...headers },
      ...(call.signal && { signal: call.signal }),
    }, fresh);
    this.#request = request;
    this.#response = new Promise((resolve, reject) => request.once("response", resolve).on("error", reject));
    this.#response.catch(() => undefined); // it is awaited later
    request.once("timeout", () => request.destroy(new Error(`nothing came for ${patience / 1000} s`)));
    request.once("socket", (socket) => this.#note(socket));
    if (!call.pieces) request.end(call.body);
  }

  #note(socket: Socket): void {
    this.#socket = socket;
    if (socket.connecting) socket.once("authorizationError" in socket ? "secureConnect" : "connect", () => this.#begin());
    else this.#begin();
    const interrupt = this.call.interrupt;
    if (!interrupt) return;
    const end = () => socket.end();
    if (interrupt.aborted) end();
    interrupt.addEventListener("abort", end, { once: true });
    this.#request.once("close", () => interrupt.removeEventListener("abort", end));
  }

  // Pieces are not made before somebody is there to take them.
  #begin(): void {
    this.#sent = true;
    if (this.call.pieces) this.#sendPieces(this.call.pieces.begin());
  }

  // A sidecar that does not want the rest answers, and closes: then its answer is what counts.
  #sendPieces(pieces: AsyncIterable<string>): void {
    const source = Readable.from(pieces);
    source.once("error", (cause) => {
      this.#bodyError = { cause };
      this.#request.destroy(cause);
    });
    this.#request.once("close", () => source.destroy());
    source.pipe(this.#request);
  }

  async whole(): Promise<Answer> {
    try {
      const response = await this.#response;
      const body = parse(await read(response));
      const status = response.statusCode ?? 0;
      if (status < 300) return { status, body };
      if (status === 422 && isObject(body) && "failed" in body) return { status, body };
      throw fromProblem(body, status, retryAfter(response));
    } catch (error) {
      throw this.#translated(error);
    }
  }

  // Whole lines only: what a broken connection cut off is not one.
  async *lines(): AsyncGenerator<string> {
    try {
      const response = await this.#response;
      const status = response.statusCode ?? 0;
      if (status >= 300) throw fromProblem(parse(await read(response)), status, retryAfter(response));
      let rest = "";
      for await (const piece of response.setEncoding("utf8")) {
        const lines = (rest + piece).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > maxLine) throw new SidecarError("too_large", `a line has more than ${maxLine} bytes`);
        yield* lines;
      }
    } catch (error) {
      throw this.#translated(error);
    } finally {
      this.#request.destroy();
    }
  }

  /** Errors of the network as those of the API. */
  #translated(error: unknown): unknown {
    if (this.#bodyError) return this.#bodyError.cause;
    if (error instanceof SidecarError) return error;
    if (this.call.signal?.aborted) return this.call.signal.reason;
    const { name } = this.endpoint;
    const message = (error as Error).message;
    if (this.#socket && "authorizationError" in this.#socket && this.#socket.authorizationError) {
      return new UntrustedError(`${name}: ${message}: is caFile the one that signed it?`, error);
    }
    return new UnreachableError(`no answer: is the sidecar running? ${name}: ${message}`, this.#sent, error);
  }
}

function target({ path, query = {} }: Call): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.append(name, String(value));
  const text = given.toString();
  return text === "" ? path : `${path}?${text}`;
}

function headersOf({ body, pieces, contentType = "application/json", headers }: Call): Record<string, string | number> {
  if (body !== undefined) return { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body), ...headers };
  return pieces ? { "Content-Type": contentType, ...headers } : { ...headers };
}

async function read(response: http.IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maxAnswer) throw new SidecarError("too_large", `the answer has more than ${maxAnswer} bytes; ask for less`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function retryAfter(response: http.IncomingMessage): number {
  const seconds = response.headers["retry-after"] ?? "";
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : 0;
}
