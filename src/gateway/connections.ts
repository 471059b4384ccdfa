import { type Server } from "node:http";
import { type Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { closeWithError } from "./answers.ts";

/** Milliseconds. */
export interface HeadLimits {
  /** From a connection's start to its first complete request head. */
  readonly first: number;
  /** From an answer's end to the next complete request head on the same connection. */
  readonly next: number;
}

const defaultLimits: HeadLimits = { first: 30_000, next: 60_000 };

export function headLimits(limits: Partial<HeadLimits> = {}): HeadLimits {
  return { ...defaultLimits, ...limits };
}

/** The event by which a server has a connection that speaks HTTP: with TLS in between, it comes after the handshake. */
export function connectionEvent(server: Server): "connection" | "secureConnection" {
  return server instanceof TlsServer ? "secureConnection" : "connection";
}

/** Names an open connection: no two of a machine have both ends in common. Nothing of it is known of a closed one. */
export function connectionKey({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(" ");
}

/** A request, as far as is asked here. */
interface Received {
  /** Whether all of it has come. */
  readonly complete: boolean;
}

/** Changed in place: one for each connection costs its requests nothing. */
interface State {
  /** Requests under way; with none, the next one's head is awaited. */
  count: number;
  /** When the wait for it is over; of `performance.now()`. */
  until: number;
  /** Whether none has come yet. */
  first: boolean;
  /** The one that came last. */
  request: Received | undefined;
  /** The connection is closed after the answers under way. */
  last: boolean;
}

/**
 * Knows of each connection whether a request is under way on it, closes the ones that keep us waiting for a request
 * head, and the idle ones when the gateway stops. A server that never listens has no timers of its own for this, and
 * one sweep for all costs a request nothing.
 */
export class Connections {
  readonly #limits: HeadLimits;
  readonly #states = new Map<Socket, State>();
  #sweep: NodeJS.Timeout | undefined;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(limits?: Partial<HeadLimits>) {
    this.#limits = headLimits(limits);
  }

  add(socket: Socket): void {
    this.#closeAfterUpload(socket);
    const until = performance.now() + this.#limits.first;
    this.#states.set(socket, { count: 0, until, first: true, request: undefined, last: false });
    socket.once("close", () => this.release(socket));
    this.#sweep ??= setInterval(() => this.#closeLate(), Math.max(10, this.#limits.first / 12)).unref();
  }

  /** The connection is somebody else's from now on (a tunnel), or gone. */
  release(socket: Socket): void {
    this.#states.delete(socket);
    if (this.#states.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
    this.#checkIdle();
  }

  /** A request head is complete. Pipelined requests count one by one. */
  requestStarted(socket: Socket, request: Received): void {
    const state = this.#states.get(socket);
    if (state !== undefined) {
      state.count++;
      state.first = false;
      state.request = request;
    }
  }

  isBusy(socket: Socket): boolean {
    return (this.#states.get(socket)?.count ?? 0) > 0;
  }

  requestEnded(socket: Socket): void {
    const state = this.#states.get(socket);
    if (state === undefined || state.count === 0 || --state.count > 0) {
      return;
    }
    state.until = performance.now() + this.#limits.next;
    if (this.#draining || state.last) {
      socket.destroySoon();
      this.#checkIdle();
    }
  }

  /** Closes a connection now, or when the answer under way is sent. */
  closeWhenIdle(socket: Socket): void {
    const state = this.#states.get(socket);
    if (state !== undefined && state.count > 0) {
      state.last = true;
    } else {
      socket.destroy();
    }
  }

  /**
   * Closes what waits, and every other connection as soon as its last request is answered. Fulfilled when no request
   * is under way.
   */
  drain(): Promise<void> {
    this.#draining = true;
    for (const [socket, state] of this.#states) {
      if (state.count === 0) {
        socket.destroy();
      }
    }
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  destroyAll(): void {
    for (const socket of [...this.#states.keys()]) {
      socket.destroy();
    }
  }

  /**
   * Node's server closes a connection whose last answer is sent, even while the client still uploads; the reset that
   * follows may eat the answer. It is told to only end its side then (RFC 9112 §9.6); the client's close, or the sweep,
   * ends the connection.
   */
  #closeAfterUpload(socket: Socket): void {
    const destroySoon = socket.destroySoon.bind(socket);
    let lastRequest: Received | undefined;
    socket.destroySoon = () => {
      // Asked again when the connection is somebody else's by then.
      lastRequest = this.#states.get(socket)?.request ?? lastRequest;
      if (lastRequest?.complete === false) {
        socket.end();
      } else {
        destroySoon();
      }
    };
  }

  #checkIdle(): void {
    if (this.#onIdle !== undefined && ![...this.#states.values()].some(({ count }) => count > 0)) {
      this.#onIdle();
      this.#onIdle = undefined;
    }
  }

  #closeLate(): void {
    const now = performance.now();
    for (const [socket, state] of this.#states) {
      if (state.count > 0 || state.until > now) {
        continue;
      }
      if (state.first) {
        this.release(socket);
        closeWithError(
          socket,
          new OneCliError("request-timeout", "The request's head did not come in time."),
        );
      } else {
        socket.destroy();
      }
    }
  }
}
