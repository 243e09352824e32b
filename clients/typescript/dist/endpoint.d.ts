import http from "node:http";
import https from "node:https";
export declare const defaultSocket = "/run/sidecar/sidecar.sock";
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
export declare class Endpoint {
    #private;
    readonly name: string;
    readonly options: https.RequestOptions;
    constructor({ socket, baseURL, caFile, token, tokenFile }: EndpointOptions);
    /** A request that is not sent yet; fresh = on a connection of its own. */
    request(options: http.RequestOptions, fresh: boolean): http.ClientRequest;
    /** What each request carries. */
    headers(): Promise<Record<string, string>>;
    close(): void;
}
