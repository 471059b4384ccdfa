// Reads messages of HTTP/1.1 from a connection's bytes, as they come. What RFC 9112 leaves to the recipient's goodwill is
// refused: a message that two readers could take for two different ones is not handed on.
import { fieldValues, listElements, type RawHeaders } from "../core/headers.ts";
import { endOfToken, endOfValue } from "./http1Characters.ts";
import { maxHeaderBytes } from "./requestParsing.ts";

/** How a body ends: after so many bytes, with its last chunk, or with the connection. */
export type Framing = number | "chunked" | "endless";

/** Who is told of a message's parts, in this order. */
export interface MessageParts {
  /** @returns how its body is framed; undefined where another message comes in its place */
  onHead(startLine: string, headers: RawHeaders): Framing | undefined;
  /** The chunk is a part of what is being read. */
  onData(chunk: Buffer): void;
  onEnd(trailers: RawHeaders): void;
  /** The first bytes of a head that is not whole yet. @throws MalformedMessage where they can only be of something else */
  onPartOfHead(bytes: Buffer): void;
}

/** What came is no message of HTTP/1.1. */
export class MalformedMessage extends Error {
  readonly isTooLarge: boolean;

  /** @param what continues "the request" or "the answer" */
  constructor(what: string, { isTooLarge = false } = {}) {
    super(what);
    this.name = "MalformedMessage";
    this.isTooLarge = isTooLarge;
  }
}

type State =
  "idle" | "head" | "counted body" | "chunk size" | "chunk" | "chunk end" | "trailers" | "endless body";

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const lineEnd = Buffer.from("\r\n");
const headEnd = Buffer.from("\r\n\r\n");
/** Of a chunk's size with its extensions. */
const maxChunkLine = 4 * 1024;

export class MessageReader {
  readonly #parts: MessageParts;
  readonly #skipsEmptyLines: boolean;
  #state: State = "idle";
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0;
  /** The beginning of a head or of a line, whose end is still to come. */
  #begun: Buffer | undefined;
  /** Bytes of it that were looked at. */
  #seen = 0;
  #isReading = false;
  #isPaused = false;
  /** What came meanwhile. */
  #behind: Buffer[] = [];
  #bytesBehind = 0;

  /** @param skipsEmptyLines before a message, where an older client may have sent one too many (RFC 9112 §2.2) */
  constructor(parts: MessageParts, { skipsEmptyLines = false } = {}) {
    this.#parts = parts;
    this.#skipsEmptyLines = skipsEmptyLines;
  }

  /** A message is awaited from now on. */
  expect(): void {
    this.#state = "head";
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Bytes that came since it was paused. */
  get bytesBehind(): number {
    return this.#bytesBehind;
  }

  /** What comes is kept, and not looked at. */
  pause(): void {
    this.#isPaused = true;
  }

  /** @throws as {@link read} */
  resume(): void {
    this.#isPaused = false;
    // Otherwise whoever reads goes on.
    if (!this.#isReading && this.#bytesBehind > 0) {
      this.#readAll(this.takeBehind());
    }
  }

  /** Takes away what came since it was paused. */
  takeBehind(): Buffer {
    const bytes = this.#behind.length === 1 ? this.#behind[0] : undefined;
    const all = bytes ?? Buffer.concat(this.#behind);
    this.#behind = [];
    this.#bytesBehind = 0;
    return all;
  }

  /**
   * @param chunk its memory may be used again after the call, where the reader is never paused
   * @throws MalformedMessage; nothing may be read after that
   */
  read(chunk: Buffer): void {
    if (this.#isPaused) {
      this.#keep(chunk);
    } else if (this.#begun === undefined) {
      this.#readAll(chunk);
    } else {
      const all = Buffer.concat([this.#begun, chunk]);
      this.#begun = undefined;
      this.#readAll(all);
    }
  }

  /**
   * The connection has ended.
   * @returns where: in the middle of a message, between two, or at the end of a body that ends so
   */
  finish(): "within" | "between" | "end" {
    if (this.#state === "endless body") {
      this.#end([]);
      return "end";
    }
    const isBetween = this.#state === "idle" || (this.#state === "head" && this.#begun === undefined);
    return isBetween ? "between" : "within";
  }

  #readAll(bytes: Buffer): void {
    let rest = bytes;
    this.#isReading = true;
    try {
      while (rest.length > 0) {
        if (this.#isPaused) {
          this.#keep(rest);
          return;
        }
        const taken = this.#take(rest);
        if (taken === 0) {
          // A copy: what is read is the reader's for the time of the call.
          this.#begun = Buffer.from(rest);
          this.#seen = rest.length;
          return;
        }
        this.#seen = 0;
        rest = taken === rest.length ? nothing : rest.subarray(taken);
      }
    } finally {
      this.#isReading = false;
    }
  }

  #keep(chunk: Buffer): void {
    this.#behind.push(chunk);
    this.#bytesBehind += chunk.length;
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
        throw new MalformedMessage("was not asked for");
    }
  }

  #takeHead(bytes: Buffer): number {
    if (this.#skipsEmptyLines && bytes[0] === carriageReturn && (bytes[1] ?? lineFeed) === lineFeed) {
      return bytes.length === 1 ? 0 : lineEnd.length;
    }
    const end = this.#endOfFields(bytes, "a head");
    if (end === -1) {
      this.#parts.onPartOfHead(bytes);
      return 0;
    }
    const text = bytes.toString("latin1", 0, end + lineEnd.length);
    const lineLength = endOfValue(text, 0);
    const framing = this.#parts.onHead(
      text.slice(0, lineLength),
      parseFields(text, endOfLine(text, lineLength)),
    );
    if (framing !== undefined) {
      this.#beginBody(framing);
    }
    return end + headEnd.length;
  }

  /** @returns where the empty line is that ends fields; -1 where it is still to come */
  #endOfFields(bytes: Buffer, what: string): number {
    // It may have begun in what was looked at.
    const end = bytes.indexOf(headEnd, Math.max(0, this.#seen - headEnd.length + 1));
    if (end > maxHeaderBytes || (end === -1 && bytes.length > maxHeaderBytes)) {
      throw new MalformedMessage(`has ${what} larger than 64 KB`, { isTooLarge: true });
    }
    if (end === -1) {
      const from = bytes[this.#seen - 1] === carriageReturn ? this.#seen - 1 : this.#seen;
      // Half a line's end may become a whole one.
      const to = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length;
      refuseControls(bytes.toString("latin1", from, to));
    }
    return end;
  }

  #beginBody(framing: Framing): void {
    if (framing === "chunked") {
      this.#state = "chunk size";
    } else if (framing === "endless") {
      this.#state = "endless body";
    } else {
      this.#state = "counted body";
      this.#left = framing;
      this.#endIfEmpty();
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
      throw new MalformedMessage("has a chunk whose size does not end");
    }
    const line = bytes.toString("latin1", 0, end === -1 ? bytes.length : end);
    if (end === -1) {
      // Nonsense is told at once, and not when it has a line's end.
      refuseChunkSize(line, /^(?:[\da-f]{1,13} *(?:;.*)?)?\r?$/is);
      return 0;
    }
    refuseChunkSize(line, chunkSize);
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return end + lineEnd.length;
  }

  #takeChunkEnd(bytes: Buffer): number {
    if (bytes[0] !== carriageReturn || (bytes.length > 1 && bytes[1] !== lineFeed)) {
      throw new MalformedMessage("has a chunk that is longer than its size");
    }
    if (bytes.length < lineEnd.length) {
      return 0;
    }
    this.#state = "chunk size";
    return lineEnd.length;
  }

  #takeTrailers(bytes: Buffer): number {
    if (bytes.length >= lineEnd.length && bytes[0] === carriageReturn && bytes[1] === lineFeed) {
      this.#end([]);
      return lineEnd.length;
    }
    const end = this.#endOfFields(bytes, "trailers");
    if (end === -1) {
      return 0;
    }
    const trailers = parseFields(bytes.toString("latin1", 0, end + lineEnd.length), 0);
    if (bodyFraming(true, trailers) !== undefined) {
      throw new MalformedMessage("has a length behind its body");
    }
    this.#end(trailers);
    return end + headEnd.length;
  }

  #end(trailers: RawHeaders): void {
    this.#state = "idle";
    this.#parts.onEnd(trailers);
  }
}

/** Whether the connection may be used for another message behind this one (RFC 9112 §9.3). */
export function keepsConnection(isHttp11: boolean, headers: RawHeaders): boolean {
  const options = listElements(headers, "connection");
  return (isHttp11 || options.includes("keep-alive")) && !options.includes("close");
}

/**
 * What a message says of its body's length (RFC 9112 §6.3).
 * @returns its transfer codings, in lower case, or its length; undefined where it says nothing
 * @throws MalformedMessage where it says two things
 */
export function bodyFraming(isHttp11: boolean, headers: RawHeaders): readonly string[] | number | undefined {
  const lengths = fieldValues(headers, "content-length");
  const codings = listElements(headers, "transfer-encoding");
  const [length] = lengths;
  if (lengths.length > 1 || (length !== undefined && !/^\d{1,15}$/.test(length))) {
    throw new MalformedMessage("has no one length");
  }
  if (codings.length === 0) {
    return length === undefined ? undefined : Number(length);
  }
  if (length !== undefined || !isHttp11) {
    throw new MalformedMessage("has a transfer coding where there must be none");
  }
  return codings;
}

const nothing = Buffer.alloc(0);
const name = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+";
/** With extensions, which nobody asks for (RFC 9112 §7.1.1), or blanks, with which some servers fill it up. */
const chunkSize = new RegExp(`^[\\dA-Fa-f]{1,13}(?: *|(?:;${name}(?:=(?:${name}|"[ !#-\\[\\]-~]*"))?)+)$`);
/** NUL and other control characters (RFC 9110 §5.5), and halves of a line's end. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for.
const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;

function refuseControls(text: string): void {
  if (control.test(text)) {
    throw new MalformedMessage("has a control character in its head");
  }
}

function refuseChunkSize(line: string, form: RegExp): void {
  if (!form.test(line)) {
    throw new MalformedMessage("has a chunk without a size");
  }
}

/** @param text fields, each with its line's end @param from where the first one begins */
function parseFields(text: string, from: number): RawHeaders {
  const fields: string[] = [];
  for (let start = from; start < text.length;) {
    const colon = endOfToken(text, start);
    if (colon === start || text.charCodeAt(colon) !== 0x3a) {
      throw new MalformedMessage("has a field without a name");
    }
    // Without the blanks around it (RFC 9112 §5).
    let valueStart = colon + 1;
    while (isBlank(text.charCodeAt(valueStart))) {
      valueStart++;
    }
    const lineLength = endOfValue(text, valueStart);
    let valueEnd = lineLength;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) {
      valueEnd--;
    }
    fields.push(text.slice(start, colon), text.slice(valueStart, valueEnd));
    start = endOfLine(text, lineLength);
  }
  return fields;
}

/** @param at where it has to end @returns where the next one begins */
function endOfLine(text: string, at: number): number {
  if (text.charCodeAt(at) !== carriageReturn || text.charCodeAt(at + 1) !== lineFeed) {
    throw new MalformedMessage("has a control character in its head");
  }
  return at + lineEnd.length;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
