import { type TLSSocket } from "node:tls";
import { type Authority } from "../core/hostname.ts";
import { dispatchAlone, needsOwnConnection } from "./dedicatedUpstream.ts";
import { Http1Upstream } from "./http1Upstream.ts";
import { Http2Connection, Http2Upstream } from "./http2Upstream.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";
import { type Protocol, ProtocolRefused } from "./upstreamTls.ts";

/**
 * Opens a TLS connection with the protocols it may speak, and hands it to `then` within the time that there is for
 * connecting.
 */
export type Connect = <T>(
  protocols: readonly Protocol[],
  then: (socket: TLSSocket, signal: AbortSignal) => Promise<T>,
  gone?: AbortSignal,
) => Promise<T>;

type Transport =
  | { readonly protocol: "h2"; readonly upstream: Http2Upstream }
  | { readonly protocol: "http/1.1"; readonly upstream: Http1Upstream };

interface Waiting {
  readonly request: UpstreamRequest;
  readonly handler: AnswerHandler;
}

/**
 * One https origin. The first connection offers both versions of HTTP; what it agrees on holds for those that follow,
 * until one of them is refused for it.
 */
export class SecureOrigin {
  readonly #authority: Authority;
  readonly #connect: Connect;
  readonly #waiting = new Set<Waiting>();
  #transport: Transport | undefined;
  #probing = false;

  constructor(authority: Authority, connect: Connect) {
    this.#authority = authority;
    this.#connect = connect;
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    if (request.webSocketKey === undefined) {
      this.#dispatchShared(request, handler);
    } else {
      this.#dispatchWebSocket(request, handler);
    }
  }

  /** No new requests; those under way go on. */
  close(): void {
    this.#transport?.upstream.close();
  }

  async destroy(): Promise<void> {
    await this.#transport?.upstream.destroy();
  }

  /** By the version of HTTP that the origin agrees on. */
  #dispatchShared(request: UpstreamRequest, handler: AnswerHandler): void {
    const transport = this.#transport;
    if (transport === undefined) {
      const waiting = { request, handler };
      this.#waiting.add(waiting);
      handler.onStart(() => this.#waiting.delete(waiting));
      this.#probe();
    } else if (transport.protocol === "http/1.1" && needsOwnConnection(request)) {
      dispatchAlone((gone) => this.#openHttp1(gone), request, handler);
    } else {
      transport.upstream.dispatch(request, handler);
    }
  }

  /** Finds out which version the origin speaks, on the connection that then serves the first request. */
  #probe(): void {
    if (this.#probing) {
      return;
    }
    this.#probing = true;
    const { host } = this.#authority;
    this.#connect(["h2", "http/1.1"], async (socket, signal): Promise<Transport> => {
      if (socket.alpnProtocol === "h2") {
        const upstream = new Http2Upstream(() => this.#openHttp2());
        upstream.adopt(await Http2Connection.open(socket, host, signal));
        return { protocol: "h2", upstream };
      }
      const upstream = new Http1Upstream(() => this.#openHttp1());
      upstream.adopt(socket);
      return { protocol: "http/1.1", upstream };
    })
      .then(
        (transport) => {
          this.#transport = transport;
          for (const { request, handler } of this.#takeWaiting()) {
            this.#dispatchShared(request, handler);
          }
        },
        (error: unknown) => {
          for (const { handler } of this.#takeWaiting()) {
            handler.onError(error as Error);
          }
        },
      )
      .finally(() => (this.#probing = false));
  }

  #takeWaiting(): Waiting[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  #openHttp1(gone?: AbortSignal): Promise<TLSSocket> {
    return this.#forgetIfRefused(this.#connect(["http/1.1"], (socket) => Promise.resolve(socket), gone));
  }

  #openHttp2(): Promise<Http2Connection> {
    const opened = this.#connect(["h2"], (socket, signal) => {
      if (socket.alpnProtocol !== "h2") {
        socket.destroy();
        throw new ProtocolRefused(this.#authority);
      }
      return Http2Connection.open(socket, this.#authority.host, signal);
    });
    return this.#forgetIfRefused(opened);
  }

  async #forgetIfRefused<T>(opened: Promise<T>): Promise<T> {
    const transport = this.#transport;
    try {
      return await opened;
    } catch (error) {
      // A late refusal says nothing about the transport that came after.
      if (error instanceof ProtocolRefused && this.#transport === transport) {
        this.close();
        this.#transport = undefined;
      }
      throw error;
    }
  }

  /**
   * By HTTP/1.1 wherever that is spoken; where it is not, on a stream of HTTP/2, if the origin says that it can. The
   * refusal of HTTP/1.1 says nothing about the connections there are.
   */
  #dispatchWebSocket(request: UpstreamRequest, handler: AnswerHandler): void {
    const open = (gone: AbortSignal) =>
      this.#connect(["http/1.1"], (socket) => Promise.resolve(socket), gone);
    dispatchAlone(open, request, handler, (error) => {
      if (error instanceof ProtocolRefused) {
        this.#dispatchShared(request, handler);
      } else {
        handler.onError(error);
      }
    });
  }
}
