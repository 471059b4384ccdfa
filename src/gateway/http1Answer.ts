// Reads answers of HTTP/1.1 from an upstream's bytes, as they come. What RFC 9112 leaves to the recipient's goodwill is
// refused: an answer that two readers could take for two different ones is not handed on.
import { fieldValues, type RawHeaders } from "../core/headers.ts";
import { isBodiless } from "./downstream.ts";
import { maxHeaderBytes } from "./requestParsing.ts";

/** Who is told of an answer's parts, in this order. */
export interface AnswerParts {
  onHead(status: number, reason: string, headers: RawHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(trailers: RawHeaders): void;
}

/** What came is no answer of HTTP/1.1. */
export class MalformedAnswer extends Error {
  constructor(what: string) {
    super(`the answer ${what}`);
    this.name = "MalformedAnswer";
  }
}

type State =
  "idle" | "head" | "counted body" | "chunk size" | "chunk" | "chunk end" | "trailers" | "endless body";

const lineEnd = Buffer.from("\r\n");
const headEnd = Buffer.from("\r\n\r\n");
/** Of a chunk's size with its extensions. */
const maxChunkLine = 4 * 1024;

export class Http1AnswerReader {
  readonly #parts: AnswerParts;
  #state: State = "idle";
  #method = "";
  #keepAlive = false;
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0;
  /** The beginning of a head or of a line, whose end is still to come. */
  #kept: Buffer | undefined;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** An answer is awaited from now on. @param method of its request, which decides on its body */
  expect(method: string): void {
    this.#method = method;
    this.#state = "head";
  }

  /** Whether the connection may be used again, once an answer is whole. */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** @throws MalformedAnswer */
  read(chunk: Buffer): void {
    let rest = chunk;
    if (this.#kept !== undefined) {
      rest = Buffer.concat([this.#kept, chunk]);
      this.#kept = undefined;
    }
    while (rest.length > 0) {
      const taken = this.#take(rest);
      if (taken === 0) {
        this.#kept = rest;
        return;
      }
      rest = rest.subarray(taken);
    }
  }

  /** The connection has ended. @returns whether that ends an answer as it should */
  finish(): boolean {
    if (this.#state !== "endless body") {
      return false;
    }
    this.#end([]);
    return true;
  }

  /** @returns bytes that were read; 0 where more have to come first */
  #take(bytes: Buffer): number {
    switch (this.#state) {
      case "head":
        return this.#takeHead(bytes);
      case "counted body":
      case "chunk":
        return this.#takeBody(bytes);
      case "endless body":
        this.#parts.onData(bytes);
        return bytes.length;
      case "chunk size":
        return this.#takeChunkSize(bytes);
      case "chunk end":
        return this.#takeChunkEnd(bytes);
      case "trailers":
        return this.#takeTrailers(bytes);
      case "idle":
        throw new MalformedAnswer("was not asked for");
    }
  }

  #takeHead(bytes: Buffer): number {
    const end = bytes.indexOf(headEnd);
    if (end > maxHeaderBytes || (end === -1 && bytes.length > maxHeaderBytes)) {
      throw new MalformedAnswer("has a head larger than 64 KB");
    }
    if (end === -1) {
      refuseOtherProtocol(bytes);
      return 0;
    }
    const [first = "", ...lines] = linesOf(bytes, end);
    const [, minor, digits, reason = ""] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/.exec(first) ?? [];
    if (minor === undefined) {
      throw new MalformedAnswer("does not begin with a status line");
    }
    const status = Number(digits);
    const headers = parseFields(lines);
    // Interim answers are for this hop, which asked for none (RFC 9110 §15.2).
    if (status === 101) {
      throw new MalformedAnswer("switches to another protocol, which was not asked for");
    }
    if (status >= 200) {
      this.#beginBody(status, minor === "1", headers);
      this.#parts.onHead(status, reason, headers);
      this.#endIfEmpty();
    }
    return end + headEnd.length;
  }

  /** How long the body is (RFC 9112 §6.3). */
  #beginBody(status: number, isHttp11: boolean, headers: RawHeaders): void {
    const options = fieldValues(headers, "connection")
      .join(",")
      .toLowerCase()
      .split(/[\s,]+/);
    this.#keepAlive = isHttp11 ? !options.includes("close") : options.includes("keep-alive");
    const codings = fieldValues(headers, "transfer-encoding");
    const lengths = fieldValues(headers, "content-length");
    if (lengths.length > 1 || (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? ""))) {
      throw new MalformedAnswer("has no one length");
    }
    if (codings.length > 0 && (lengths.length > 0 || !isHttp11)) {
      throw new MalformedAnswer("has a transfer coding where there must be none");
    }
    if (isBodiless(this.#method, status)) {
      this.#state = "counted body";
      this.#left = 0;
    } else if (codings.length > 0) {
      if (codings.join(",").toLowerCase() !== "chunked") {
        throw new MalformedAnswer("has a transfer coding other than chunked");
      }
      this.#state = "chunk size";
    } else if (lengths.length > 0) {
      this.#state = "counted body";
      this.#left = Number(lengths[0]);
    } else {
      this.#state = "endless body";
      this.#keepAlive = false;
    }
  }

  #takeBody(bytes: Buffer): number {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= part.length;
    this.#parts.onData(part);
    if (this.#state === "chunk" && this.#left === 0) {
      this.#state = "chunk end";
    }
    this.#endIfEmpty();
    return part.length;
  }

  #endIfEmpty(): void {
    if (this.#state === "counted body" && this.#left === 0) {
      this.#end([]);
    }
  }

  #takeChunkSize(bytes: Buffer): number {
    const end = bytes.indexOf(lineEnd);
    if (end > maxChunkLine || (end === -1 && bytes.length > maxChunkLine)) {
      throw new MalformedAnswer("has a chunk whose size does not end");
    }
    if (end === -1) {
      return 0;
    }
    const [, digits] =
      /^([\da-f]{1,13})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i.exec(bytes.toString("latin1", 0, end)) ?? [];
    if (digits === undefined) {
      throw new MalformedAnswer("has a chunk without a size");
    }
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return end + lineEnd.length;
  }

  #takeChunkEnd(bytes: Buffer): number {
    if (bytes.length < lineEnd.length) {
      return 0;
    }
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) {
      throw new MalformedAnswer("has a chunk that is longer than its size");
    }
    this.#state = "chunk size";
    return lineEnd.length;
  }

  #takeTrailers(bytes: Buffer): number {
    if (bytes.length >= lineEnd.length && bytes[0] === 0x0d && bytes[1] === 0x0a) {
      this.#end([]);
      return lineEnd.length;
    }
    const end = bytes.indexOf(headEnd);
    if (end > maxHeaderBytes || (end === -1 && bytes.length > maxHeaderBytes)) {
      throw new MalformedAnswer("has trailers larger than 64 KB");
    }
    if (end === -1) {
      return 0;
    }
    this.#end(parseFields(linesOf(bytes, end)));
    return end + headEnd.length;
  }

  #end(trailers: RawHeaders): void {
    this.#state = "idle";
    this.#parts.onEnd(trailers);
  }
}

/** A server that greets in another protocol would be waited for in vain. */
function refuseOtherProtocol(bytes: Buffer): void {
  const start = "HTTP/1.";
  const came = bytes.toString("latin1", 0, Math.min(bytes.length, start.length));
  if (!start.startsWith(came)) {
    throw new MalformedAnswer("is not one of HTTP/1.1");
  }
}

const token = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** NUL and other control characters (RFC 9110 §5.5), and halves of a line's end. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for.
const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;

function linesOf(bytes: Buffer, end: number): string[] {
  const text = bytes.toString("latin1", 0, end);
  if (control.test(text)) {
    throw new MalformedAnswer("has a control character in its head");
  }
  return text.split("\r\n");
}

function parseFields(lines: readonly string[]): RawHeaders {
  const fields: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    if (colon < 1 || !token.test(name)) {
      throw new MalformedAnswer("has a field without a name");
    }
    fields.push(name, trimBlanks(line, colon + 1));
  }
  return fields;
}

/** The rest of a line without the blanks around it (RFC 9112 §5). */
function trimBlanks(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) {
    start++;
  }
  while (end > start && isBlank(line.charCodeAt(end - 1))) {
    end--;
  }
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
