// The way up: pools of verified connections, one per origin. undici's low-level dispatch neither follows redirects nor
// retries, and hands heads and chunks on as they come.
import { type Socket } from "node:net";
import { type Readable } from "node:stream";
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { LRUCache } from "lru-cache";
import { type Dispatcher, Pool } from "undici";
import { isOneCliError, OneCliError } from "../core/errors.ts";
import { type Authority, formatAuthority, withoutBrackets } from "../core/hostname.ts";
import { hideInterimAnswers } from "./interimAnswers.ts";
import { dial, type ParentProxy } from "./parentProxy.ts";
import { maxHeaderBytes } from "./requestParsing.ts";

/** Milliseconds for connecting and the TLS handshake together. */
const connectTimeout = 15_000;
const maxPools = 256;

/** undici's handler for one request: raw heads, and `false` to pause. */
export type ResponseHandler = Dispatcher.DispatchHandler;

export interface UpstreamRequest {
  readonly scheme: "https" | "http";
  readonly authority: Authority;
  readonly method: string;
  /** Path and query, as the client wrote them. */
  readonly path: string;
  readonly headers: string[];
  readonly body: Readable | null;
}

interface UpstreamOptions {
  readonly parentProxy: ParentProxy | undefined;
  /** PEM: all that upstream certificates are verified against. */
  readonly trustedRoots: readonly string[];
  /** Milliseconds; 15 s where not given. */
  readonly connectTimeout?: number;
}

export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #pools = new LRUCache<string, Pool>({
    max: maxPools,
    dispose: (pool) => void pool.close().catch(() => undefined),
  });
  /** Connections that are being opened. */
  readonly #dials = new Set<AbortController>();
  #secureContext: SecureContext | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  dispatch(request: UpstreamRequest, handler: ResponseHandler): void {
    const { scheme, authority, method, headers, body } = request;
    const { parentProxy } = this.#options;
    const pool = this.#poolOf(scheme, authority);
    // A parent proxy takes plain http in absolute-form (RFC 9112 §3.2.2).
    const direct = scheme === "https" || parentProxy === undefined;
    const path = direct ? request.path : `http://${hostField(authority, "http")}${request.path}`;
    if (!direct && parentProxy.authorization !== undefined) {
      headers.push("proxy-authorization", parentProxy.authorization);
    }
    // reset: undici would give up the connection after a HEAD.
    pool.dispatch({ method: method, path, headers, body, reset: false }, handler);
  }

  /**
   * Opens a connection for a blind tunnel, unless `gone` aborts before.
   * @throws OneCliError `upstream-unreachable`, `upstream-timeout`; the reason of `gone`.
   */
  tunnel(authority: Authority, gone: AbortSignal): Promise<Socket> {
    const { parentProxy } = this.#options;
    return this.#limited(authority, (signal) =>
      dial(authority, parentProxy, AbortSignal.any([signal, gone])),
    );
  }

  async close(): Promise<void> {
    for (const controller of this.#dials) {
      controller.abort(new OneCliError("gateway-stopping", "The gateway is stopping."));
    }
    const pools = [...this.#pools.values()];
    await Promise.all(pools.map((pool) => pool.destroy()));
    this.#pools.clear();
  }

  #poolOf(scheme: "https" | "http", authority: Authority): Pool {
    const { parentProxy } = this.#options;
    const hop =
      scheme === "http" && parentProxy !== undefined ? { ...parentProxy, isAddress: false } : authority;
    const origin = `${scheme}://${hop.host}:${hop.port}`;
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: maxHeaderBytes,
        connect: (_options, callback) => {
          const opened = this.#limited(hop, (signal) =>
            scheme === "https" ? this.#connectTls(hop, signal) : dial(hop, undefined, signal),
          );
          opened.then(
            (socket) => {
              hideInterimAnswers(socket);
              socket.on("error", asAborted);
              callback(null, socket);
            },
            (error: unknown) => callback(error as Error, null),
          );
        },
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  async #connectTls(authority: Authority, signal: AbortSignal): Promise<Socket> {
    const raw = await dial(authority, this.#options.parentProxy, signal);
    const name = withoutBrackets(authority.host);
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        socket: raw,
        host: name,
        // An address is no server name (RFC 6066 §3); it is checked against the certificate by `host`.
        ...(!authority.isAddress && { servername: name }),
        secureContext: this.#trust(),
        ALPNProtocols: ["http/1.1"],
        // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 would turn the default off.
        rejectUnauthorized: true,
      });
      const abandon = () => socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abandon, { once: true });
      const onError = (error: NodeJS.ErrnoException) => {
        signal.removeEventListener("abort", abandon);
        raw.destroy();
        reject(error === signal.reason ? error : tlsError(authority, error));
      };
      socket.once("error", onError);
      socket.once("secureConnect", () => {
        signal.removeEventListener("abort", abandon);
        socket.off("error", onError);
        resolve(socket);
      });
    });
  }

  /** Made at first use and then shared: parsing some hundred certificates takes tens of milliseconds. */
  #trust(): SecureContext {
    return (this.#secureContext ??= createSecureContext({ ca: [...this.#options.trustedRoots] }));
  }

  /** Opens a connection with a signal that aborts when the time for it is over, or the gateway stops. */
  async #limited(authority: Authority, open: (signal: AbortSignal) => Promise<Socket>): Promise<Socket> {
    const controller = new AbortController();
    const limit = this.#options.connectTimeout ?? connectTimeout;
    const timer = setTimeout(() => {
      const seconds = Math.round(limit / 1000);
      const message = `${formatAuthority(authority)} did not accept a connection within ${seconds} seconds.`;
      controller.abort(new OneCliError("upstream-timeout", message));
    }, limit);
    this.#dials.add(controller);
    try {
      return await open(controller.signal);
    } finally {
      clearTimeout(timer);
      this.#dials.delete(controller);
    }
  }
}

/**
 * undici takes ECONNRESET for the end of an answer that has no length of its own. Such a body is cut off, and must not
 * reach the client as a whole one; under another code undici fails it.
 */
function asAborted(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") {
    error.code = "ECONNABORTED";
  }
}

/** The value of `Host` for an authority. */
export function hostField({ host, port }: Authority, scheme: "https" | "http"): string {
  return port === (scheme === "https" ? 443 : 80) ? host : `${host}:${port}`;
}

const certificateProblems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  CERT_REVOKED: "it has been revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "it is for another host name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed, so its issuer is unknown",
  SELF_SIGNED_CERT_IN_CHAIN: "its chain ends in an unknown, self-signed issuer",
  UNABLE_TO_GET_ISSUER_CERT: "its issuer is unknown",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is unknown",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its issuer is unknown",
  CERT_UNTRUSTED: "its issuer is not trusted",
  CERT_SIGNATURE_FAILURE: "its signature is wrong",
  INVALID_CA: "its issuer is no certificate authority",
  INVALID_PURPOSE: "it is not meant for servers",
};

function tlsError({ host }: Authority, error: NodeJS.ErrnoException): OneCliError {
  const problem = certificateProblems[error.code ?? ""];
  return problem === undefined
    ? new OneCliError("upstream-unreachable", `No TLS connection to ${host} could be made.`, { cause: error })
    : new OneCliError("upstream-certificate", `The certificate of ${host} was refused: ${problem}.`, {
        cause: error,
      });
}

/** What an agent is told when the upstream failed it, before or after it was connected. */
export function upstreamError(authority: Authority, error: unknown): OneCliError {
  if (isOneCliError(error)) {
    return error;
  }
  const name = formatAuthority(authority);
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW" || code === "UND_ERR_INVALID_ARG") {
    const message = `${name} sent an answer that is not well-formed HTTP/1.1.`;
    return new OneCliError("upstream-unreachable", message, { cause: error });
  }
  const message = `${name} closed the connection before it had answered.`;
  return new OneCliError("upstream-unreachable", message, { cause: error });
}
