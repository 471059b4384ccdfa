// The requests on intercepted connections that speak HTTP/2.
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { type TLSSocket } from "node:tls";
import { type Authority } from "../core/hostname.ts";
import { lingerThenDestroy } from "./answers.ts";
import { type HeadLimits, headLimits } from "./connections.ts";
import { Exchange, type ExchangeOrigin, type ExchangeServices } from "./exchange.ts";
import { Http2Downstream } from "./http2Downstream.ts";
import { connectionWindow, maxFieldBytes, maxFields, streamWindow } from "./http2Settings.ts";

/** Requests under way on one connection. */
const maxStreams = 256;

interface Connection {
  readonly session: ServerHttp2Session;
  readonly socket: TLSSocket;
  readonly authority: Authority;
  streams: number;
  /** Until when a request has to come, where there is none. */
  until: number;
}

/** Never listens: connections are given to it. */
export class Http2Server {
  readonly #services: ExchangeServices;
  readonly #limits: HeadLimits;
  readonly #connections = new Set<Connection>();
  #sweep: NodeJS.Timeout | undefined;
  /** Requests under way; an open WebSocket is none. */
  #busy = 0;
  #onIdle: (() => void) | undefined;

  constructor(services: ExchangeServices, limits?: Partial<HeadLimits>) {
    this.#services = services;
    this.#limits = headLimits(limits);
  }

  accept(socket: TLSSocket, origin: ExchangeOrigin): void {
    const session = performServerHandshake(socket, {
      settings: {
        enableConnectProtocol: true,
        initialWindowSize: streamWindow,
        maxConcurrentStreams: maxStreams,
        maxHeaderListSize: maxFieldBytes,
      },
      maxHeaderListPairs: maxFields,
      maxSendHeaderBlockLength: maxFieldBytes,
      strictSingleValueFields: false,
    } as Parameters<typeof performServerHandshake>[1]);
    const connection: Connection = {
      session,
      socket,
      authority: origin.authority,
      streams: 0,
      until: performance.now() + this.#limits.first,
    };
    this.#add(connection);
    session.setLocalWindowSize(connectionWindow);
    // The client's socket is half-open when the client has left; nothing can be answered by it.
    socket.once("end", () => socket.destroy());
    // A peer that breaks the rules is told so by the session, and its connection closed.
    session.on("error", () => undefined);
    session.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders: string[]) => {
      this.#onStream(connection, origin, stream, rawHeaders);
    });
  }

  /** Closes the connections to targets for which `isMapped` is false: idle ones at once, busy ones after their answers. */
  closeUnmapped(isMapped: (authority: Authority) => boolean): void {
    for (const { session, authority } of this.#connections) {
      if (!isMapped(authority)) {
        session.close();
      }
    }
  }

  /** Closes what is idle, the rest after its answers; fulfilled when no request is under way. */
  drain(): Promise<void> {
    for (const { session } of this.#connections) {
      session.close();
    }
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  destroyAll(): void {
    for (const { session } of this.#connections) {
      session.destroy();
    }
  }

  #add(connection: Connection): void {
    this.#connections.add(connection);
    this.#sweep ??= setInterval(() => this.#closeLate(), Math.max(10, this.#limits.first / 12)).unref();
    connection.session.once("close", () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) {
        clearInterval(this.#sweep);
        this.#sweep = undefined;
      }
    });
  }

  #onStream(
    connection: Connection,
    origin: ExchangeOrigin,
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
  ): void {
    connection.streams++;
    this.#busy++;
    let busy = true;
    const over = () => {
      if (busy) {
        busy = false;
        this.#busy--;
        this.#checkIdle();
      }
    };
    stream.once("close", () => {
      connection.streams--;
      connection.until = performance.now() + this.#limits.next;
      over();
    });
    const client = new Http2Downstream(stream, rawHeaders, {
      close: () => connection.session.close(),
      switched: over,
    });
    void new Exchange(client, origin, this.#services).forwardMapped();
  }

  #checkIdle(): void {
    if (this.#busy === 0) {
      this.#onIdle?.();
      this.#onIdle = undefined;
    }
  }

  #closeLate(): void {
    const now = performance.now();
    for (const { session, socket, streams, until } of this.#connections) {
      if (session.destroyed || (streams === 0 && until <= now)) {
        session.close();
        // A session ends its side alone, and waits for a field block that was begun: the client need not do its part.
        lingerThenDestroy(socket);
      }
    }
  }
}
