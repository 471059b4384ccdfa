// The way up by HTTP/1.1: a pool of connections for one origin. undici's low-level dispatch neither follows redirects
// nor retries, and hands heads and chunks on as they come.
import { type Socket } from "node:net";
import { type Dispatcher, Pool } from "undici";
import { type RawHeaders } from "../core/headers.ts";
import { hideInterimAnswers } from "./interimAnswers.ts";
import { maxHeaderBytes } from "./requestParsing.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";

/**
 * Requests that may wait for a connection of their own at a time; more are kept back, so that a client who asks and
 * leaves a thousand times opens no thousand connections.
 */
const maxConnecting = 128;

export class Http1Upstream {
  readonly #pool: Pool;
  readonly #kept: Socket[] = [];
  readonly #queue = new Set<Http1Request>();
  #connecting = 0;

  /** @param open opens a connection that speaks HTTP/1.1 */
  constructor(origin: string, open: () => Promise<Socket>) {
    this.#pool = new Pool(origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: maxHeaderBytes,
      connect: (_options, callback) => {
        const kept = this.#kept.shift();
        (kept === undefined ? open() : Promise.resolve(kept)).then(
          (socket) => {
            hideInterimAnswers(socket);
            socket.on("error", asAborted);
            callback(null, socket);
          },
          (error: unknown) => callback(error as Error, null),
        );
      },
    });
  }

  /** Takes a connection that is open already, for the next request. */
  adopt(socket: Socket): void {
    this.#kept.push(socket);
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    const queued = new Http1Request(request, handler, this.#whenStarted, this.#whenLeft);
    this.#queue.add(queued);
    handler.onStart(queued.abort);
    this.#next();
  }

  /** No new requests; those under way go on. */
  close(): void {
    this.#pool.close().catch(() => undefined);
  }

  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }

  readonly #whenStarted = () => {
    this.#connecting--;
    this.#next();
  };

  readonly #whenLeft = (request: Http1Request) => {
    this.#queue.delete(request);
  };

  #next(): void {
    for (const request of this.#queue) {
      if (this.#connecting >= maxConnecting) {
        return;
      }
      this.#queue.delete(request);
      this.#connecting++;
      request.dispatch(this.#pool);
    }
  }
}

/** One request, as undici sees it. */
class Http1Request implements Dispatcher.DispatchHandler {
  readonly #request: UpstreamRequest;
  readonly #handler: AnswerHandler;
  readonly #whenStarted: () => void;
  readonly #whenLeft: (request: Http1Request) => void;
  #abort: ((error?: Error) => void) | undefined;
  #state: "queued" | "dispatched" | "started" = "queued";
  #left = false;

  constructor(
    request: UpstreamRequest,
    handler: AnswerHandler,
    whenStarted: () => void,
    whenLeft: (request: Http1Request) => void,
  ) {
    this.#request = request;
    this.#handler = handler;
    this.#whenStarted = whenStarted;
    this.#whenLeft = whenLeft;
  }

  readonly abort = () => {
    this.#left = true;
    if (this.#state === "queued") {
      this.#whenLeft(this);
    }
    this.#abort?.(new Error("the client left"));
  };

  dispatch(pool: Pool): void {
    this.#state = "dispatched";
    const { method, path, host, headers, body } = this.#request;
    // reset: undici would give up the connection after a HEAD.
    pool.dispatch({ method, path, headers: ["Host", host, ...headers], body, reset: false }, this);
  }

  // What undici calls, in this order.

  onConnect(abort: (error?: Error) => void): void {
    this.#started();
    this.#abort = abort;
    if (this.#left) {
      abort();
    }
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    return status < 200 || this.#handler.onHead(status, reason, latin1(rawHeaders), resume);
  }

  onData(chunk: Buffer): boolean {
    return this.#handler.onData(chunk);
  }

  onComplete(trailers: string[] | null): void {
    this.#handler.onEnd(latin1((trailers ?? []) as unknown as Buffer[]));
  }

  onError(error: Error): void {
    this.#started();
    this.#abort = undefined;
    if (!this.#left) {
      this.#handler.onError(error);
    }
  }

  #started(): void {
    if (this.#state === "dispatched") {
      this.#state = "started";
      this.#whenStarted();
    }
  }
}

function latin1(fields: readonly Buffer[]): RawHeaders {
  return fields.map((part) => part.toString("latin1"));
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
