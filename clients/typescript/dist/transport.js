import { Readable } from "node:stream";
import { SidecarError, UnreachableError, UntrustedError, fromProblem } from "./errors.js";
const maxAnswer = 1 << 30; // bytes
const maxLine = 64 << 20;
/** A body that can be made once only: what it is made of may be gone then. */
export class Pieces {
    made;
    begun = false;
    constructor(made) {
        this.made = made;
    }
    begin() {
        this.begun = true;
        return this.made;
    }
}
/** Carries calls. */
export class Transport {
    endpoint;
    timeout;
    constructor(endpoint, timeout) {
        this.endpoint = endpoint;
        this.timeout = timeout;
    }
    /** The answer of a call; UnreachableError if there is none. An answer that is an error is thrown. */
    async send(call) {
        const exchange = await Exchange.begin(this.endpoint, call, this.timeout + (call.waits ?? 0), call.once ?? false);
        return exchange.whole();
    }
    /** The lines of an answer that goes on. Silence is how long none may come, in milliseconds. */
    async *lines(call, silence) {
        const exchange = await Exchange.begin(this.endpoint, call, silence, true);
        yield* exchange.lines();
    }
}
/** One request and its answer. */
class Exchange {
    endpoint;
    call;
    #sent = false;
    #socket;
    #bodyError;
    constructor(endpoint, call) {
        this.endpoint = endpoint;
        this.call = call;
    }
    static async begin(endpoint, call, patience, fresh) {
        const headers = await endpoint.headers();
        const exchange = new Exchange(endpoint, call);
        exchange.#start(headers, patience, fresh);
        return exchange;
    }
    #request;
    #response;
    #start(headers, patience, fresh) {
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
        if (!call.pieces)
            request.end(call.body);
    }
    #note(socket) {
        this.#socket = socket;
        if (socket.connecting)
            socket.once("authorizationError" in socket ? "secureConnect" : "connect", () => this.#begin());
        else
            this.#begin();
        const interrupt = this.call.interrupt;
        if (!interrupt)
            return;
        const end = () => socket.end();
        if (interrupt.aborted)
            end();
        interrupt.addEventListener("abort", end, { once: true });
        this.#request.once("close", () => interrupt.removeEventListener("abort", end));
    }
    // Pieces are not made before somebody is there to take them.
    #begin() {
        this.#sent = true;
        if (this.call.pieces)
            this.#sendPieces(this.call.pieces.begin());
    }
    // A sidecar that does not want the rest answers, and closes: then its answer is what counts.
    #sendPieces(pieces) {
        const source = Readable.from(pieces);
        source.once("error", (cause) => {
            this.#bodyError = { cause };
            this.#request.destroy(cause);
        });
        this.#request.once("close", () => source.destroy());
        source.pipe(this.#request);
    }
    async whole() {
        try {
            const response = await this.#response;
            const body = parse(await read(response));
            const status = response.statusCode ?? 0;
            if (status < 300)
                return { status, body };
            if (status === 422 && isObject(body) && "failed" in body)
                return { status, body };
            throw fromProblem(body, status, retryAfter(response));
        }
        catch (error) {
            throw this.#translated(error);
        }
    }
    // Whole lines only: what a broken connection cut off is not one.
    async *lines() {
        try {
            const response = await this.#response;
            const status = response.statusCode ?? 0;
            if (status >= 300)
                throw fromProblem(parse(await read(response)), status, retryAfter(response));
            let rest = "";
            for await (const piece of response.setEncoding("utf8")) {
                const lines = (rest + piece).split("\n");
                rest = lines.pop() ?? "";
                if (rest.length > maxLine)
                    throw new SidecarError("too_large", `a line has more than ${maxLine} bytes`);
                yield* lines;
            }
        }
        catch (error) {
            throw this.#translated(error);
        }
        finally {
            this.#request.destroy();
        }
    }
    /** Errors of the network as those of the API. */
    #translated(error) {
        if (this.#bodyError)
            return this.#bodyError.cause;
        if (error instanceof SidecarError)
            return error;
        if (this.call.signal?.aborted)
            return this.call.signal.reason;
        const { name } = this.endpoint;
        const message = error.message;
        if (this.#socket && "authorizationError" in this.#socket && this.#socket.authorizationError) {
            return new UntrustedError(`${name}: ${message}: is caFile the one that signed it?`, error);
        }
        return new UnreachableError(`no answer: is the sidecar running? ${name}: ${message}`, this.#sent, error);
    }
}
function target({ path, query = {} }) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
        if (value !== undefined)
            given.append(name, String(value));
    const text = given.toString();
    return text === "" ? path : `${path}?${text}`;
}
function headersOf({ body, pieces, contentType = "application/json", headers }) {
    if (body !== undefined)
        return { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body), ...headers };
    return pieces ? { "Content-Type": contentType, ...headers } : { ...headers };
}
async function read(response) {
    const pieces = [];
    let size = 0;
    for await (const piece of response) {
        size += piece.length;
        if (size > maxAnswer)
            throw new SidecarError("too_large", `the answer has more than ${maxAnswer} bytes; ask for less`);
        pieces.push(piece);
    }
    return Buffer.concat(pieces).toString("utf8");
}
function parse(text) {
    try {
        return text === "" ? {} : JSON.parse(text);
    }
    catch {
        return undefined;
    }
}
export function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
function retryAfter(response) {
    const seconds = response.headers["retry-after"] ?? "";
    return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : 0;
}
