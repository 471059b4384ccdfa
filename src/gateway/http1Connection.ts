// One connection to an upstream that speaks HTTP/1.1: a request at a time.
import { type Socket } from "node:net";
import { OneCliError } from "../core/errors.ts";
import { fieldValues, type RawHeaders } from "../core/headers.ts";
import { type AnswerParts, Http1AnswerReader } from "./http1Answer.ts";
import { type Http1Head } from "./http1RequestHead.ts";
import { type Lease, takeBytes } from "./readBuffers.ts";
import { type UploadBody } from "./uploadBody.ts";
import { type AnswerHandler, type UpstreamRequest } from "./upstreamRequest.ts";

/** Milliseconds that a connection is kept without a request, where the upstream names no time of its own. */
const defaultIdleTime = 4_000;
const maxIdleTime = 600_000;
/** Milliseconds by which the upstream's time for it is undercut, so that no request meets a connection that closes. */
const idleMargin = 1_000;

export class Http1Connection implements AnswerParts {
  readonly #socket: Socket;
  readonly #reader = new Http1AnswerReader(this);
  readonly #whenFree: (connection: Http1Connection) => void;
  readonly #whenClosed: (connection: Http1Connection) => void;
  #handler: AnswerHandler | undefined;
  #body: UploadBody | null = null;
  #isSending = false;
  /** Of what is being read. */
  #lease: Lease | undefined;
  /** The answer is whole; what came behind it was not looked at yet. */
  #isAnswered = false;
  #idleTime = defaultIdleTime;
  /** When it is too old to be used again; of `performance.now()`. */
  #usableUntil = performance.now() + defaultIdleTime;

  /**
   * @param whenFree told when an answer is whole and the next request may come
   * @param whenClosed told when there will be no other
   */
  constructor(
    socket: Socket,
    whenFree: (connection: Http1Connection) => void,
    whenClosed: (connection: Http1Connection) => void,
  ) {
    this.#socket = socket;
    this.#whenFree = whenFree;
    this.#whenClosed = whenClosed;
    socket.setNoDelay(true);
    takeBytes(socket, (chunk, lease) => this.#read(chunk, lease));
    socket.on("end", () => this.#finished());
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => {
      this.#fail(new Error("the upstream closed the connection"));
      this.#whenClosed(this);
    });
    socket.on("drain", () => this.#body?.resume());
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || !this.#socket.writable;
  }

  /** Whether it has been idle for too long. */
  isStale(now: number): boolean {
    return now >= this.#usableUntil;
  }

  /** For a connection that is free. The handler's `onStart` was called by then. */
  send({ method, body }: UpstreamRequest, head: Http1Head, handler: AnswerHandler): void {
    this.#handler = handler;
    this.#reader.expect(method);
    if (body === null) {
      this.#socket.write(head.text, "latin1");
    } else {
      this.#sendBody(body, head);
    }
  }

  /** Gives a request up, if it is the one under way. */
  abort(handler: AnswerHandler): void {
    if (this.#handler === handler) {
      this.#handler = undefined;
      this.#socket.destroy();
      this.#dropBody();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // What the reader calls.

  onHead(status: number, reason: string, headers: RawHeaders): void {
    this.#idleTime = idleTimeOf(headers);
    if (this.#handler?.onHead(status, reason, headers, this.#resume) === false) {
      this.#socket.pause();
    }
  }

  onData(chunk: Buffer): void {
    if (this.#handler?.onData(chunk, this.#lease?.hold()) === false) {
      this.#socket.pause();
    }
  }

  onEnd(trailers: RawHeaders): void {
    const handler = this.#handler;
    this.#isAnswered = true;
    handler?.onEnd(trailers);
    this.#handler = undefined;
  }

  readonly #resume = () => this.#socket.resume();

  #read(chunk: Buffer, lease?: Lease): void {
    this.#lease = lease;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      // Malformed, or nothing that the client could be given: a status of 700 by HTTP/2.
      this.#fail(error as Error);
      return;
    } finally {
      this.#lease = undefined;
    }
    // Not before: bytes behind an answer would be taken for the next one.
    if (this.#isAnswered) {
      this.#release();
    }
  }

  #release(): void {
    this.#isAnswered = false;
    if (this.#isSending || !this.#reader.keepAlive || this.isClosed) {
      // Of an upload that nobody reads any more, nobody knows the end.
      this.#socket.destroy();
      this.#dropBody();
    } else {
      this.#body = null;
      this.#socket.resume();
      this.#usableUntil = performance.now() + this.#idleTime;
      this.#whenFree(this);
    }
  }

  #finished(): void {
    if (this.#reader.finish()) {
      this.#socket.destroy();
    } else {
      this.#fail(new Error("the upstream ended the connection"));
    }
  }

  #fail(error: Error): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#socket.destroy();
    this.#dropBody();
    handler?.onError(error);
  }

  /** The client goes on with its upload; what comes is dropped. */
  #dropBody(): void {
    this.#isSending = false;
    this.#body?.destroy();
    this.#body = null;
  }

  #sendBody(body: UploadBody, { text, bodyLength }: Http1Head): void {
    this.#body = body;
    this.#isSending = true;
    const socket = this.#socket;
    let left = bodyLength ?? Number.POSITIVE_INFINITY;
    // Goes out with the first bytes of the body, if those are there already.
    socket.cork();
    setImmediate(() => socket.uncork());
    socket.write(text, "latin1");
    body.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (this.#body !== body) {
        return;
      }
      if (left < 0) {
        this.#fail(mismatch("longer"));
        return;
      }
      if (bodyLength === undefined) {
        socket.cork();
        socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
        socket.write(chunk);
        socket.write("\r\n", "latin1");
        socket.uncork();
      } else {
        socket.write(chunk);
      }
      if (socket.writableNeedDrain) {
        body.pause();
      }
    });
    body.on("end", () => {
      if (this.#body !== body) {
        return;
      }
      if (bodyLength !== undefined && left > 0) {
        this.#fail(mismatch("shorter"));
        return;
      }
      if (bodyLength === undefined) {
        socket.write("0\r\n\r\n", "latin1");
      }
      this.#isSending = false;
    });
    body.on("error", (error) => {
      if (this.#body === body) {
        this.#fail(error);
      }
    });
  }
}

function mismatch(how: string): OneCliError {
  return new OneCliError("bad-request", `The request's body is ${how} than its Content-Length says.`);
}

/** Milliseconds that an upstream lets a connection be idle, by its own word (`Keep-Alive: timeout=5`). */
function idleTimeOf(headers: RawHeaders): number {
  const [value = ""] = fieldValues(headers, "keep-alive");
  const seconds = /(?:^|[\s,;])timeout=(\d{1,6})/i.exec(value)?.[1];
  return seconds === undefined ? defaultIdleTime : Math.min(Number(seconds) * 1000 - idleMargin, maxIdleTime);
}
