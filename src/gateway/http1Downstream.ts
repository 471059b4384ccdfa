import { STATUS_CODES } from "node:http";
import { type Socket } from "node:net";
import { type Duplex } from "node:stream";
import { errorAnswer, handshakeAnswer, type OneCliError } from "../core/errors.ts";
import { fieldValues, type RawHeaders } from "../core/headers.ts";
import { headBytes } from "./answers.ts";
import { type Downstream, isBodiless } from "./downstream.ts";
import { isFieldValue, isToken } from "./http1Characters.ts";
import { asksForWebSocket, type Http1RequestHead } from "./http1Request.ts";
import { type Release } from "./readBuffers.ts";
import { UploadBody } from "./uploadBody.ts";
import { acceptOf } from "./webSockets.ts";

/** Bytes that cost less to copy than to write on their own. */
const maxText = 8 * 1024;

/** The connection that a request has come by. */
export interface Http1Client {
  readonly socket: Socket;
  /** A request's body is wanted from now on, to be dropped if nobody has opened it. */
  readBody(request: Http1Downstream): void;
  /** The answer is on its way, whole. Given to a socket's `write`. */
  readonly onSent: (error?: Error | null) => void;
  /** The connection's bytes are somebody else's from now on. */
  handOver(): void;
}

/** A request that came by HTTP/1.1. */
export class Http1Downstream implements Downstream {
  readonly carriesResets = false;
  readonly webSocketKey: string | undefined;
  readonly #head: Http1RequestHead;
  readonly #client: Http1Client;
  #status = 0;
  #isChunked = false;
  #isLast: boolean;
  /** It is answered whole, or never will be. */
  #isOver = false;
  #isComplete = false;
  #upload: UploadBody | undefined;
  #trailers: RawHeaders = [];
  /** The head waits for the end of the turn, with the first bytes behind it: an answer that is whole by then is one write. */
  #held = "";
  #heldBytes: Buffer | undefined;
  #releaseHeld: Release | undefined;
  #onDrain: (() => void) | undefined;
  #onClose: ((whole: boolean, code: number) => void) | undefined;

  constructor(head: Http1RequestHead, client: Http1Client) {
    this.#head = head;
    this.#client = client;
    this.webSocketKey = asksForWebSocket(head)
      ? (fieldValues(head.headers, "sec-websocket-key")[0] ?? "")
      : undefined;
    // Behind either of these may come what is no request.
    this.#isLast = !head.keepAlive || this.webSocketKey !== undefined || head.method === "CONNECT";
  }

  get method(): string {
    return this.#head.method;
  }

  get target(): string {
    return this.#head.target;
  }

  get hosts(): readonly string[] {
    return fieldValues(this.#head.headers, "host");
  }

  get headers(): RawHeaders {
    return this.#head.headers;
  }

  get hasBody(): boolean {
    return this.#head.framing !== 0;
  }

  get status(): number {
    return this.#status;
  }

  get closed(): boolean {
    return this.#isOver || this.#client.socket.destroyed;
  }

  /** Whether the connection ends with this answer. */
  get isLast(): boolean {
    return this.#isLast;
  }

  /** Whether all of the request has come. */
  get complete(): boolean {
    return this.#isComplete;
  }

  openBody(): UploadBody {
    this.#upload = new UploadBody({
      resume: () => this.#client.readBody(this),
      trailers: () => this.#trailers,
      announcesTrailers: fieldValues(this.#head.headers, "trailer").length > 0,
    });
    return this.#upload;
  }

  sendHead(status: number, reason: string, headers: RawHeaders): void {
    const isCounted = fieldValues(headers, "content-length").length > 0;
    const isEndless = !isBodiless(this.method, status) && !isCounted;
    const isChunked = isEndless && this.#head.isHttp11;
    const isLast = this.#isLast || (isEndless && !isChunked);
    // A reason that did not survive its decoding is left out.
    let text = `HTTP/1.1 ${status} ${isFieldValue(reason) ? reason : ""}\r\n`;
    text += fieldLines(headers, isChunked);
    if (isLast) {
      text += "connection: close\r\n";
    } else if (!this.#head.isHttp11) {
      text += "connection: keep-alive\r\n";
    }
    this.#held = isChunked ? `${text}transfer-encoding: chunked\r\n\r\n` : `${text}\r\n`;
    this.#status = status;
    this.#isChunked = isChunked;
    this.#isLast = isLast;
    process.nextTick(letGo, this);
  }

  write(chunk: Buffer, release?: Release): boolean {
    if (chunk.length === 0) {
      // As a chunk it would be the last.
      return true;
    }
    if (this.#held !== "" && this.#heldBytes === undefined) {
      this.#heldBytes = chunk;
      this.#releaseHeld = release;
      return true;
    }
    this.letGo();
    return this.#send("", chunk, release);
  }

  /** Sends what waits for the end of the turn. */
  letGo(): void {
    const { socket } = this.#client;
    if (this.#held === "" || this.#isOver || !socket.writable) {
      return;
    }
    const head = this.#held;
    const bytes = this.#heldBytes;
    const release = this.#releaseHeld;
    this.#held = "";
    this.#heldBytes = undefined;
    this.#releaseHeld = undefined;
    if (bytes === undefined) {
      socket.write(head, "latin1");
    } else {
      this.#send(head, bytes, release);
    }
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  end(trailers: RawHeaders): void {
    const bytes = this.#heldBytes;
    let text = this.#held;
    if (text !== "" && bytes !== undefined && bytes.length > maxText) {
      this.letGo();
      text = "";
    } else if (bytes !== undefined) {
      text += this.#textOf(bytes);
      this.#releaseHeld?.();
    }
    if (this.#isChunked) {
      text += trailers.length === 0 ? "0\r\n\r\n" : `0\r\n${fieldLines(trailers, true)}\r\n`;
    }
    this.#held = "";
    this.#heldBytes = undefined;
    this.#releaseHeld = undefined;
    this.#isOver = true;
    if (this.#client.socket.writable) {
      this.#client.socket.write(text, "latin1", this.#client.onSent);
    }
  }

  sendError(error: OneCliError): void {
    const { status, headers, body } =
      this.webSocketKey === undefined ? errorAnswer(error) : handshakeAnswer(error);
    const bytes = Buffer.from(body);
    const fields = [...headers, "content-length", String(bytes.length), "date", new Date().toUTCString()];
    if (status === 426) {
      // It has to name what would be taken instead (RFC 9110 §15.5.22).
      fields.push("connection", "upgrade", "upgrade", "HTTP/1.1");
    }
    this.#client.readBody(this);
    this.sendHead(status, STATUS_CODES[status] ?? "", fields);
    if (!isBodiless(this.method, status)) {
      this.write(bytes);
    }
    this.end([]);
  }

  reset(): void {
    this.#client.socket.destroy();
  }

  closeConnection(): void {
    this.#isLast = true;
  }

  switchToBytes(headers: RawHeaders): Duplex {
    const { socket } = this.#client;
    this.#client.handOver();
    const fields = ["Connection", "Upgrade", "Upgrade", "websocket", ...headers];
    fields.push("Sec-WebSocket-Accept", acceptOf(this.webSocketKey ?? ""));
    socket.write(headBytes("HTTP/1.1 101 Switching Protocols", fields));
    this.#status = 101;
    this.#isOver = true;
    return socket;
  }

  onClose(listener: (whole: boolean, code: number) => void): void {
    this.#onClose = listener;
  }

  // What the connection tells.

  /** More of the request's body has come. @returns whether even more is wanted */
  receive(chunk: Buffer): boolean {
    return this.#upload?.receive(chunk) ?? true;
  }

  /** All of the request has come. */
  finish(trailers: RawHeaders): void {
    this.#isComplete = true;
    this.#trailers = trailers;
    this.#upload?.finish();
  }

  /** The client has read what it was sent. */
  drained(): void {
    this.#onDrain?.();
  }

  /** The answer is on its way, whole. */
  answered(): void {
    this.#onClose?.(true, 0);
    this.#onClose = undefined;
  }

  /** The client has left. */
  left(): void {
    this.#isOver = true;
    if (!this.#isComplete) {
      this.#upload?.leave();
    }
    this.#onClose?.(false, 0);
    this.#onClose = undefined;
  }

  #send(head: string, chunk: Buffer, release?: Release): boolean {
    const { socket } = this.#client;
    if (!socket.writable) {
      return false;
    }
    if (chunk.length <= maxText) {
      const text = head + this.#textOf(chunk);
      release?.();
      return socket.write(text, "latin1");
    }
    const before = this.#isChunked ? `${head}${chunk.length.toString(16)}\r\n` : head;
    if (before === "") {
      return socket.write(chunk, release);
    }
    socket.cork();
    socket.write(before, "latin1");
    let isReady = socket.write(chunk, release);
    if (this.#isChunked) {
      isReady = socket.write("\r\n", "latin1");
    }
    socket.uncork();
    return isReady;
  }

  /** A part of the answer's body as it goes over the wire. */
  #textOf(chunk: Buffer): string {
    const text = chunk.toString("latin1");
    return this.#isChunked ? `${chunk.length.toString(16)}\r\n${text}\r\n` : text;
  }
}

function letGo(answer: Http1Downstream): void {
  answer.letGo();
}

/** @param hasTrailers whether there may be fields behind the body; others are not announced */
function fieldLines(headers: RawHeaders, hasTrailers: boolean): string {
  let lines = "";
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const value = headers[index + 1] ?? "";
    if (!isToken(name) || !isFieldValue(value)) {
      throw new Error("a field cannot be sent by HTTP/1.1");
    }
    if (hasTrailers || name.length !== 7 || name.toLowerCase() !== "trailer") {
      lines += `${name}: ${value}\r\n`;
    }
  }
  return lines;
}
