// Ends the TLS of mapped hosts; what is inside goes to the server of the version of HTTP that was agreed on.
import { type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import { LRUCache } from "lru-cache";
import { type Authority } from "../core/hostname.ts";
import { type Logger } from "../core/ports.ts";
import { type CertificateAuthority, leafUse } from "./certificateAuthority.ts";
import { connectionKey, type HeadLimits } from "./connections.ts";
import { type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { Http1Server } from "./http1Server.ts";
import { Http2Server } from "./http2Server.ts";

const maxServers = 500;
const handshakeTimeout = 30_000;
/**
 * What Node has by default less ML-KEM, whose key a connection keeps until it closes: 7 KB. Whoever can record loopback for the
 * quantum computers to come has the machine today. In names that BoringSSL, which is Electron's, knows too.
 */
const loopbackKeyExchanges = "X25519:P-256:P-384:P-521";

export interface InterceptorOptions {
  readonly authority: CertificateAuthority;
  readonly services: ExchangeServices;
  /** Whether clients are of other machines too. */
  readonly isBeyondLoopback?: boolean;
  readonly logger: Logger;
  readonly limits?: Partial<HeadLimits>;
  /** Told of each handshake that is done. @param protocol of ALPN; undefined: none was agreed on. */
  readonly onHandshake?: (authority: Authority, protocol: string | undefined) => void;
}

export class Interceptor {
  readonly #authority: CertificateAuthority;
  readonly #keyExchanges: string | undefined;
  readonly #logger: Logger;
  readonly #handshakeTimeout: number;
  readonly #onHandshake: InterceptorOptions["onHandshake"];
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  /** One TLS server per target: the leaf follows the CONNECT, whatever name the client asks for (SNI). */
  readonly #servers = new LRUCache<string, Promise<TlsServer>>({
    max: maxServers,
    ttl: leafUse,
    // A clock that goes on while the machine sleeps, as the leaf's time does.
    perf: Date,
  });
  /** Connections in their handshake. */
  readonly #handshakes = new Map<string, { readonly raw: Socket; readonly origin: ExchangeOrigin }>();

  constructor({ authority, services, isBeyondLoopback, logger, limits, onHandshake }: InterceptorOptions) {
    this.#onHandshake = onHandshake;
    this.#authority = authority;
    this.#keyExchanges = isBeyondLoopback === true ? undefined : loopbackKeyExchanges;
    this.#logger = logger;
    this.#handshakeTimeout = limits?.first ?? handshakeTimeout;
    this.#http1 = new Http1Server(services, limits);
    this.#http2 = new Http2Server(services, limits);
  }

  /** Takes over a client's socket whose CONNECT to a mapped host was answered. */
  async accept(raw: Socket, origin: ExchangeOrigin): Promise<void> {
    if (raw.remotePort === undefined) {
      raw.destroy();
      return;
    }
    const key = connectionKey(raw);
    this.#handshakes.set(key, { raw, origin });
    raw.once("close", () => this.#handshakes.delete(key));
    try {
      const server = await this.#serverFor(origin.authority);
      if (!raw.destroyed) {
        // A client that ends its side within the handshake has left; the TLS socket takes this over from the raw one.
        raw.allowHalfOpen = false;
        server.emit("connection", raw);
      }
    } catch {
      this.#logger.error(`No certificate could be made for ${origin.authority.host}.`);
      raw.destroy();
    }
  }

  /** Closes the connections to targets for which `isMapped` is false: idle ones at once, busy ones after their answer. */
  closeUnmapped(isMapped: (authority: Authority) => boolean): void {
    this.#http1.closeUnmapped(isMapped);
    this.#http2.closeUnmapped(isMapped);
  }

  /** Closes what is idle, the rest after its answer; fulfilled when no request is under way. */
  async drain(): Promise<void> {
    for (const { raw } of this.#handshakes.values()) {
      raw.destroy();
    }
    await Promise.all([this.#http1.drain(), this.#http2.drain()]);
  }

  destroyAll(): void {
    this.#http1.destroyAll();
    this.#http2.destroyAll();
  }

  #serverFor({ host, isAddress }: Authority): Promise<TlsServer> {
    let server = this.#servers.get(host);
    if (server === undefined) {
      server = this.#makeServer(host, isAddress);
      this.#servers.set(host, server);
      server.catch(() => this.#servers.delete(host));
    }
    return server;
  }

  async #makeServer(host: string, isAddress: boolean): Promise<TlsServer> {
    const { key, certificate } = await this.#authority.leafFor(host, isAddress);
    const server = createTlsServer({
      key,
      cert: certificate,
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      ecdhCurve: this.#keyExchanges,
      handshakeTimeout: this.#handshakeTimeout,
    });
    server.on("secureConnection", (socket) => this.#onSecure(socket));
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      // Most often a tool that does not trust our CA: its fix is in the terminal's variables.
      this.#logger.debug(`The TLS handshake of a client for ${host} failed (${error.code ?? "no code"}).`);
      socket.destroy();
    });
    return server;
  }

  #onSecure(socket: TLSSocket): void {
    const key = connectionKey(socket);
    const handshake = this.#handshakes.get(key);
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    this.#handshakes.delete(key);
    socket.allowHalfOpen = true;
    const protocol = socket.alpnProtocol || undefined;
    this.#onHandshake?.(handshake.origin.authority, protocol);
    const server = protocol === "h2" ? this.#http2 : this.#http1;
    server.accept(socket, handshake.origin);
  }
}
