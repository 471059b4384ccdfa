// The requests on intercepted connections that speak HTTP/1.1.
import type { ServerResponse } from "node:http";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type Socket } from "node:net";
import { type TLSSocket } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { type Authority } from "../core/hostname.ts";
import { closeWithError, lingerThenDestroy } from "./answers.ts";
import { Connections, type HeadLimits } from "./connections.ts";
import { Exchange, type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { Http1Downstream } from "./http1Downstream.ts";
import { clientErrorOf, maxHeaderBytes } from "./requestParsing.ts";
import { onUpgrade } from "./upgrades.ts";

interface Connection extends ExchangeOrigin {
  exchange?: Exchange;
}

/** Requests without a body have no stream for it, where Node knows how (24.12). Its types do not know yet. */
const withoutEmptyBodies = { optimizeEmptyRequests: true };

/** Never listens: connections are given to it. */
export class Http1Server {
  readonly #services: ExchangeServices;
  readonly #connections: Connections;
  readonly #server: Server;
  readonly #open = new Map<Socket, Connection>();

  constructor(services: ExchangeServices, limits?: Partial<HeadLimits>) {
    this.#services = services;
    this.#connections = new Connections(limits);
    const server = createServer({
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: 0, // Connections closes idle ones
      requestTimeout: 0,
      requireHostHeader: false, // checked, and answered, by Exchange
      ...withoutEmptyBodies,
    });
    this.#server = server;
    server.maxHeadersCount = 0; // bounded by size; fields beyond a count would be dropped silently
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    server.on("request", onRequest);
    // An expectation that Node does not know is no reason to refuse the request.
    server.on("checkExpectation", onRequest);
    server.on("connect", (_request, socket: Socket) => {
      closeWithError(socket, new OneCliError("method-not-allowed", "CONNECT is not taken inside a tunnel."));
    });
    onUpgrade(server, this.#connections, (request, response, takeSocket) => {
      this.#start(request, new Http1Downstream(request, response, takeSocket));
    });
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      this.#onClientError(error, socket);
    });
  }

  accept(socket: TLSSocket, origin: ExchangeOrigin): void {
    this.#open.set(socket, { ...origin });
    socket.once("close", () => this.#open.delete(socket));
    this.#connections.add(socket);
    this.#server.emit("connection", socket);
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
    return this.#connections.drain();
  }

  destroyAll(): void {
    this.#connections.destroyAll();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (!socket.writable) {
      // Pipelined behind an answer that ended the connection, and that may still be on its way.
      lingerThenDestroy(socket);
      return;
    }
    this.#connections.requestStarted(socket, request);
    response.once("close", () => this.#connections.requestEnded(socket));
    this.#start(request, new Http1Downstream(request, response));
  }

  #start({ socket }: IncomingMessage, client: Http1Downstream): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    const exchange = new Exchange(client, connection, this.#services);
    connection.exchange = exchange;
    void exchange.forwardMapped();
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = clientErrorOf(error);
    const connection = this.#open.get(socket);
    if (refusal === undefined || connection === undefined) {
      socket.destroy();
    } else if (this.#connections.isBusy(socket) && connection.exchange !== undefined) {
      // Of what the client sent after the request's head.
      connection.exchange.failLast(refusal);
      lingerThenDestroy(socket);
    } else {
      closeWithError(socket, refusal);
    }
  }
}
