// The way up by HTTP/1.1: the connections to one origin. A request has a connection to itself until its answer is whole.
// Nothing is sent twice, and no redirect is followed.
import { type Socket } from "node:net";
import { type OneCliError } from "../core/errors.ts";
import { Http1Connection } from "./http1Connection.ts";
import { type Http1Head, http1Head } from "./http1RequestHead.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";

/**
 * Connections that may be opened at a time; more requests wait, so that a client who asks and leaves a thousand times
 * opens no thousand connections.
 */
const maxConnecting = 128;
/** Milliseconds between two looks for connections that have been idle for too long. */
const sweepTime = 1_000;

interface Waiting {
  readonly request: UpstreamRequest;
  readonly head: Http1Head;
  readonly handler: AnswerHandler;
  /** The connection that it got. */
  connection?: Http1Connection;
}

export class Http1Upstream {
  readonly #open: () => Promise<Socket>;
  readonly #connections = new Set<Http1Connection>();
  /** Those without a request; the one that was used last is the next to be used. */
  readonly #free: Http1Connection[] = [];
  readonly #waiting = new Set<Waiting>();
  #connecting = 0;
  #sweep: NodeJS.Timeout | undefined;
  #isClosing = false;

  /** @param open opens a connection that speaks HTTP/1.1 */
  constructor(open: () => Promise<Socket>) {
    this.#open = open;
  }

  /** Takes a connection that is open already, for the next request. */
  adopt(socket: Socket): void {
    this.#whenFree(this.#add(socket));
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    let head: Http1Head;
    try {
      head = http1Head(request);
    } catch (error) {
      request.body?.destroy();
      handler.onError(error as OneCliError);
      return;
    }
    const waiting: Waiting = { request, head, handler };
    handler.onStart(() => {
      if (this.#waiting.delete(waiting)) {
        request.body?.destroy();
      }
      waiting.connection?.abort(handler);
    });
    const connection = this.#takeFree();
    if (connection === undefined) {
      this.#waiting.add(waiting);
      this.#openMore();
    } else {
      send(waiting, connection);
    }
  }

  /** No new requests; those under way go on. */
  close(): void {
    this.#isClosing = true;
    for (const connection of this.#free.splice(0)) {
      connection.destroy();
    }
  }

  destroy(): Promise<void> {
    this.close();
    for (const connection of this.#connections) {
      connection.destroy();
    }
    return Promise.resolve();
  }

  #takeFree(): Http1Connection | undefined {
    const now = performance.now();
    for (let connection = this.#free.pop(); connection !== undefined; connection = this.#free.pop()) {
      if (!connection.isClosed && !connection.isStale(now)) {
        return connection;
      }
      connection.destroy();
    }
    return undefined;
  }

  #openMore(): void {
    while (this.#connecting < Math.min(this.#waiting.size, maxConnecting)) {
      this.#connecting++;
      this.#open().then(
        (socket) => {
          this.#connecting--;
          if (this.#waiting.size === 0 && this.#free.length === this.#connections.size) {
            // Whoever it was for has left, and nobody else is there.
            socket.destroy();
          } else {
            this.#whenFree(this.#add(socket));
          }
        },
        (error: unknown) => {
          this.#connecting--;
          const [first] = this.#waiting;
          if (first !== undefined) {
            this.#waiting.delete(first);
            first.request.body?.destroy();
            first.handler.onError(error as Error);
          }
          this.#openMore();
        },
      );
    }
  }

  #add(socket: Socket): Http1Connection {
    const connection = new Http1Connection(socket, this.#whenFree, this.#whenClosed);
    this.#connections.add(connection);
    return connection;
  }

  readonly #whenFree = (connection: Http1Connection) => {
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      send(next, connection);
      this.#openMore();
    } else if (this.#isClosing) {
      connection.destroy();
    } else {
      this.#free.push(connection);
      this.#sweep ??= setInterval(this.#closeStale, sweepTime).unref();
    }
  };

  readonly #whenClosed = (connection: Http1Connection) => {
    this.#connections.delete(connection);
    const index = this.#free.indexOf(connection);
    if (index !== -1) {
      this.#free.splice(index, 1);
    }
  };

  readonly #closeStale = () => {
    const now = performance.now();
    for (const connection of this.#free) {
      if (connection.isStale(now)) {
        connection.destroy();
      }
    }
    if (this.#free.length === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
  };
}

function send(waiting: Waiting, connection: Http1Connection): void {
  waiting.connection = connection;
  connection.send(waiting.request, waiting.head, waiting.handler);
}
