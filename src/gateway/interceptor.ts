// Ends the TLS of mapped hosts and reads the requests inside.
import {
  createServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from "node:http";
import { type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import { LRUCache } from "lru-cache";
import { OneCliError } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { type Logger } from "../core/ports.ts";
import { closeWithError, lingerThenDestroy } from "./answers.ts";
import { type CertificateAuthority, leafUse } from "./certificateAuthority.ts";
import { Connections, type HeadLimits } from "./connections.ts";
import { Exchange, type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { clientErrorOf, maxHeaderBytes } from "./requestParsing.ts";

const maxServers = 500;
const handshakeTimeout = 30_000;

interface InterceptedConnection extends ExchangeOrigin {
  exchange?: Exchange;
}

export interface InterceptorOptions {
  readonly authority: CertificateAuthority;
  readonly services: ExchangeServices;
  readonly logger: Logger;
  readonly limits?: Partial<HeadLimits>;
}

export class Interceptor {
  readonly #authority: CertificateAuthority;
  readonly #services: ExchangeServices;
  readonly #logger: Logger;
  readonly #handshakeTimeout: number;
  readonly #connections: Connections;
  readonly #http: HttpServer;
  /** One TLS server per target: the leaf follows the CONNECT, whatever name the client asks for (SNI). */
  readonly #servers = new LRUCache<string, Promise<TlsServer>>({
    max: maxServers,
    ttl: leafUse,
    // A clock that goes on while the machine sleeps, as the leaf's time does.
    perf: Date,
  });
  /** Connections in their handshake, by the client's port: on one listener it names a connection. */
  readonly #handshakes = new Map<
    number,
    { readonly raw: Socket; readonly connection: InterceptedConnection }
  >();
  readonly #open = new Map<Socket, InterceptedConnection>();

  constructor({ authority, services, logger, limits }: InterceptorOptions) {
    this.#authority = authority;
    this.#services = services;
    this.#logger = logger;
    this.#handshakeTimeout = limits?.first ?? handshakeTimeout;
    this.#connections = new Connections(limits);
    this.#http = createServer({
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: 0, // Connections closes idle ones
      requestTimeout: 0,
      requireHostHeader: false, // checked, and answered, by Exchange
    });
    this.#http.maxHeadersCount = 0; // bounded by size; fields beyond a count would be dropped silently
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    this.#http.on("request", onRequest);
    // An expectation that Node does not know is no reason to refuse the request.
    this.#http.on("checkExpectation", onRequest);
    this.#http.on("connect", (_request, socket: Socket) => {
      closeWithError(socket, new OneCliError("method-not-allowed", "CONNECT is not taken inside a tunnel."));
    });
    this.#http.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      this.#onClientError(error, socket);
    });
  }

  /** Takes over a client's socket whose CONNECT to a mapped host was answered. */
  async accept(raw: Socket, origin: ExchangeOrigin): Promise<void> {
    const port = raw.remotePort;
    if (port === undefined) {
      raw.destroy();
      return;
    }
    this.#handshakes.set(port, { raw, connection: { ...origin } });
    raw.once("close", () => this.#handshakes.delete(port));
    try {
      const server = await this.#serverFor(origin.authority);
      if (!raw.destroyed) {
        server.emit("connection", raw);
      }
    } catch {
      this.#logger.error(`No certificate could be made for ${origin.authority.host}.`);
      raw.destroy();
    }
  }

  /** Closes the connections to targets for which `isMapped` is false: idle ones at once, busy ones after their answer. */
  closeUnmapped(isMapped: (authority: Authority) => boolean): void {
    for (const [socket, { authority }] of this.#open) {
      if (!isMapped(authority)) {
        this.#connections.closeWhenIdle(socket);
      }
    }
  }

  /** Closes what is idle, the rest after its answer; fulfilled when no request is under way. */
  drain(): Promise<void> {
    for (const { raw } of this.#handshakes.values()) {
      raw.destroy();
    }
    return this.#connections.drain();
  }

  destroyAll(): void {
    this.#connections.destroyAll();
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
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
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
    const port = socket.remotePort;
    const handshake = port === undefined ? undefined : this.#handshakes.get(port);
    if (port === undefined || handshake === undefined) {
      socket.destroy();
      return;
    }
    this.#handshakes.delete(port);
    this.#open.set(socket, handshake.connection);
    socket.once("close", () => this.#open.delete(socket));
    this.#connections.add(socket);
    this.#http.emit("connection", socket);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    if (!socket.writable) {
      // Pipelined behind an answer that ended the connection, and that may still be on its way.
      lingerThenDestroy(socket);
      return;
    }
    this.#connections.requestStarted(socket, request);
    response.once("close", () => this.#connections.requestEnded(socket));
    const exchange = new Exchange(request, response, connection, this.#services);
    connection.exchange = exchange;
    void exchange.forwardMapped();
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = clientErrorOf(error);
    const connection = this.#open.get(socket);
    if (refusal === undefined || connection === undefined) {
      socket.destroy();
    } else if (this.#connections.isBusy(socket) && connection.exchange !== undefined) {
      connection.exchange.refuse(refusal);
    } else {
      closeWithError(socket, refusal);
    }
  }
}
