// Answers of HTTP/1.1, as an upstream sends them.
import { type RawHeaders } from "../core/headers.ts";
import { isBodiless } from "./downstream.ts";
import {
  bodyFraming,
  type Framing,
  keepsConnection,
  MalformedMessage,
  type MessageParts,
  MessageReader,
} from "./http1Message.ts";

/** Who is told of an answer's parts, in this order. */
export interface AnswerParts {
  onHead(status: number, reason: string, headers: RawHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(trailers: RawHeaders): void;
}

export class Http1AnswerReader implements MessageParts {
  readonly #parts: AnswerParts;
  readonly #reader = new MessageReader(this);
  #method = "";
  #keepAlive = false;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** An answer is awaited from now on. @param method of its request, which decides on its body */
  expect(method: string): void {
    this.#method = method;
    this.#reader.expect();
  }

  /** Whether the connection may be used again, once an answer is whole. */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** @throws MalformedMessage */
  read(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  /** The connection has ended. @returns whether that ends an answer as it should */
  finish(): boolean {
    return this.#reader.finish() === "end";
  }

  // What the reader of messages calls.

  onHead(line: string, headers: RawHeaders): Framing | undefined {
    const [, minor, digits, reason = ""] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/.exec(line) ?? [];
    if (minor === undefined) {
      throw new MalformedMessage("does not begin with a status line");
    }
    const status = Number(digits);
    // Interim answers are for this hop, which asked for none (RFC 9110 §15.2).
    if (status === 101) {
      throw new MalformedMessage("switches to another protocol, which was not asked for");
    }
    if (status < 200) {
      return undefined;
    }
    const framing = this.#framingOf(status, minor === "1", headers);
    this.#parts.onHead(status, reason, headers);
    return framing;
  }

  onData(chunk: Buffer): void {
    this.#parts.onData(chunk);
  }

  onEnd(trailers: RawHeaders): void {
    this.#parts.onEnd(trailers);
  }

  /** A server that greets in another protocol would be waited for in vain. */
  onPartOfHead(bytes: Buffer): void {
    const start = "HTTP/1.";
    const came = bytes.toString("latin1", 0, Math.min(bytes.length, start.length));
    if (!start.startsWith(came)) {
      throw new MalformedMessage("is not one of HTTP/1.1");
    }
  }

  #framingOf(status: number, isHttp11: boolean, headers: RawHeaders): Framing {
    this.#keepAlive = keepsConnection(isHttp11, headers);
    const framing = bodyFraming(isHttp11, headers);
    if (isBodiless(this.#method, status)) {
      return 0;
    }
    if (framing === undefined) {
      this.#keepAlive = false;
      return "endless";
    }
    if (typeof framing === "number") {
      return framing;
    }
    if (framing.join() !== "chunked") {
      throw new MalformedMessage("has a transfer coding other than chunked");
    }
    return "chunked";
  }
}
