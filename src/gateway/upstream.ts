// The way up: for each origin, the version of HTTP that it speaks, and the connections to it.
import { type Socket } from "node:net";
import { type TLSSocket } from "node:tls";
import { LRUCache } from "lru-cache";
import { isOneCliError, OneCliError } from "../core/errors.ts";
import { type Authority, formatAuthority } from "../core/hostname.ts";
import { titleOf } from "../core/parentProxy.ts";
import { dispatchAlone, needsOwnConnection } from "./dedicatedUpstream.ts";
import { type Dialer } from "./dialer.ts";
import { withoutChallenge } from "./forwardedAnswer.ts";
import { MalformedMessage } from "./http1Message.ts";
import { Http1Upstream } from "./http1Upstream.ts";
import { type Connect, SecureOrigin } from "./secureOrigin.ts";
import { type Trust } from "./tlsConnection.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";
import { dialSecure, type Protocol } from "./upstreamTls.ts";

/** Milliseconds for connecting and the TLS handshake together. */
const connectTimeout = 15_000;
const maxOrigins = 256;

interface UpstreamOptions {
  readonly dialer: Dialer;
  readonly trust: Trust;
  /** Milliseconds; 15 s where not given. */
  readonly connectTimeout?: number;
}

export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #secureOrigins = new LRUCache<string, SecureOrigin>({
    max: maxOrigins,
    dispose: (origin) => origin.close(),
  });
  readonly #plainOrigins = new LRUCache<string, Http1Upstream>({
    max: maxOrigins,
    dispose: (origin) => origin.close(),
  });
  /** Connections that are being opened. */
  readonly #dials = new Set<AbortController>();

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    if (request.scheme === "https") {
      this.#secureOrigin(request.authority).dispatch(request, handler);
    } else {
      this.#dispatchPlain(request, handler);
    }
  }

  /**
   * Opens a connection for a blind tunnel, unless `gone` aborts before.
   * @throws OneCliError `upstream-unreachable`, `upstream-timeout`; the reason of `gone`.
   */
  tunnel(authority: Authority, gone: AbortSignal): Promise<Socket> {
    return this.#limited(this.#noAnswer(authority), (signal) =>
      this.#options.dialer.dial(authority, AbortSignal.any([signal, gone])),
    );
  }

  async close(): Promise<void> {
    for (const controller of this.#dials) {
      controller.abort(new OneCliError("gateway-stopping", "The gateway is stopping."));
    }
    const origins = [...this.#secureOrigins.values(), ...this.#plainOrigins.values()];
    await Promise.all(origins.map((origin) => origin.destroy()));
    this.#secureOrigins.clear();
    this.#plainOrigins.clear();
  }

  #secureOrigin(authority: Authority): SecureOrigin {
    const key = `${authority.host}:${authority.port}`;
    let origin = this.#secureOrigins.get(key);
    if (origin === undefined) {
      const connect: Connect = (protocols, then, gone) => this.#connect(authority, protocols, then, gone);
      origin = new SecureOrigin(authority, connect);
      this.#secureOrigins.set(key, origin);
    }
    return origin;
  }

  #connect<T>(
    authority: Authority,
    protocols: readonly Protocol[],
    then: (socket: TLSSocket, signal: AbortSignal) => Promise<T>,
    gone?: AbortSignal,
  ): Promise<T> {
    return this.#limited(this.#noAnswer(authority), async (limit) => {
      const signal = gone === undefined ? limit : AbortSignal.any([limit, gone]);
      const { dialer, trust } = this.#options;
      return then(await dialSecure(dialer, authority, protocols, trust, signal), signal);
    });
  }

  /** A parent proxy of HTTP takes plain http in absolute-form (RFC 9112 §3.2.2). */
  #dispatchPlain(request: UpstreamRequest, handler: AnswerHandler): void {
    const { dialer } = this.#options;
    const { authority } = request;
    const forwarder = dialer.forwarderFor(authority);
    const hop = forwarder ?? authority;
    const failing =
      forwarder === undefined
        ? this.#noAnswer(authority)
        : `The ${titleOf(forwarder)} did not accept a connection`;
    const open = (gone?: AbortSignal) =>
      this.#limited(failing, (limit) => {
        const signal = gone === undefined ? limit : AbortSignal.any([limit, gone]);
        return forwarder === undefined
          ? dialer.dial(authority, signal)
          : dialer.dialParent(forwarder, signal);
      });
    const headers = [...request.headers];
    if (forwarder?.authorization !== undefined) {
      headers.push("proxy-authorization", forwarder.authorization);
    }
    const path = forwarder === undefined ? request.path : `http://${request.host}${request.path}`;
    const hopRequest = { ...request, path, headers };
    const answerTo = forwarder === undefined ? handler : withoutChallenge(handler, forwarder, authority.host);
    if (needsOwnConnection(request)) {
      dispatchAlone(open, hopRequest, answerTo);
      return;
    }
    const name = `http://${hop.host}:${hop.port}`;
    const key = forwarder === undefined ? name : `by ${name}`;
    let origin = this.#plainOrigins.get(key);
    if (origin === undefined) {
      origin = new Http1Upstream(open);
      this.#plainOrigins.set(key, origin);
    }
    origin.dispatch(hopRequest, answerTo);
  }

  #noAnswer(authority: Authority): string {
    const parent = this.#options.dialer.parentFor(authority);
    const how = parent === undefined ? "" : ` through the ${titleOf(parent)}`;
    return `${formatAuthority(authority)} did not accept a connection${how}`;
  }

  /**
   * Opens a connection with a signal that aborts when the time for it is over, or the gateway stops.
   * @param failing what has happened in the first case
   */
  async #limited<T>(failing: string, open: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const limit = this.#options.connectTimeout ?? connectTimeout;
    const timer = setTimeout(() => {
      const message = `${failing} within ${Math.round(limit / 1000)} seconds.`;
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

/** The value of `Host` for an authority. */
export function hostField({ host, port }: Authority, scheme: "https" | "http"): string {
  return port === (scheme === "https" ? 443 : 80) ? host : `${host}:${port}`;
}

/** What an agent is told when the upstream failed it, before or after it was connected. */
export function upstreamError(authority: Authority, error: unknown): OneCliError {
  if (isOneCliError(error)) {
    return error;
  }
  const name = formatAuthority(authority);
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (error instanceof MalformedMessage || code.startsWith("HPE_")) {
    const message = `${name} sent an answer that is not well-formed HTTP/1.1.`;
    return new OneCliError("upstream-unreachable", message, { cause: error });
  }
  const message = `${name} closed the connection before it had answered.`;
  return new OneCliError("upstream-unreachable", message, { cause: error });
}
