import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Duplex } from "node:stream";
import { errorAnswer, handshakeAnswer, type OneCliError } from "../core/errors.ts";
import { fieldValues, pairs, type RawHeaders, withoutFields } from "../core/headers.ts";
import { headBytes, sendAnswer } from "./answers.ts";
import { type Downstream, isBodiless } from "./downstream.ts";
import { type Release } from "./readBuffers.ts";
import { type UploadBody, uploadOf } from "./uploadBody.ts";
import { acceptOf } from "./webSockets.ts";

const trailerField = new Set(["trailer"]);

/** Hands over the connection of a request that asked for another protocol. */
export type TakeSocket = () => Duplex;

/** A request of plain http, which Node's server has read for proxy-chain. */
export class ListenerDownstream implements Downstream {
  readonly carriesResets = false;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #takeSocket: TakeSocket | undefined;
  #switched = false;

  constructor(request: IncomingMessage, response: ServerResponse, takeSocket?: TakeSocket) {
    this.#request = request;
    this.#response = response;
    this.#takeSocket = takeSocket;
    response.sendDate = false;
  }

  get method(): string {
    return this.#request.method ?? "GET";
  }

  get target(): string {
    return this.#request.url ?? "";
  }

  get hosts(): readonly string[] {
    return fieldValues(this.#request.rawHeaders, "host");
  }

  get headers(): RawHeaders {
    return this.#request.rawHeaders;
  }

  get hasBody(): boolean {
    const { headers } = this.#request;
    return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  }

  get webSocketKey(): string | undefined {
    return this.#takeSocket && (fieldValues(this.#request.rawHeaders, "sec-websocket-key")[0] ?? "");
  }

  get status(): number {
    if (this.#switched) {
      return 101;
    }
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  get closed(): boolean {
    return this.#response.destroyed;
  }

  openBody(): UploadBody {
    const request = this.#request;
    return uploadOf({
      stream: request,
      isComplete: () => request.complete,
      trailers: () => request.rawTrailers,
      announcesTrailers: request.headers.trailer !== undefined,
    });
  }

  sendHead(status: number, reason: string, headers: RawHeaders): void {
    const response = this.#response;
    const phrase = isReasonPhrase(reason) ? reason : "";
    const bodiless = isBodiless(this.method, status);
    const hasTrailers = !bodiless && mayChunk(this.#request, headers);
    response.writeHead(status, phrase, hasTrailers ? [...headers] : withoutFields(headers, trailerField));
    if (!bodiless) {
      // Without bytes it sends the head. flushHeaders would send that as UTF-8 and so double Latin-1 bytes.
      response.write("", "latin1");
    }
  }

  write(chunk: Buffer, release?: Release): boolean {
    return this.#response.write(chunk, release);
  }

  onDrain(listener: () => void): void {
    this.#response.on("drain", listener);
  }

  end(trailers: RawHeaders): void {
    const response = this.#response;
    if (trailers.length > 0 && response.chunkedEncoding) {
      response.addTrailers(pairs(trailers));
    }
    response.end();
  }

  sendError(error: OneCliError): void {
    this.#response.sendDate = true;
    if (this.#takeSocket === undefined) {
      sendAnswer(this.#response, errorAnswer(error));
      return;
    }
    const answer = handshakeAnswer(error);
    // A 426 has to name what would be taken instead (RFC 9110 §15.5.22).
    const protocol = answer.status === 426 ? ["connection", "upgrade, close", "upgrade", "HTTP/1.1"] : [];
    sendAnswer(this.#response, { ...answer, headers: [...answer.headers, ...protocol] });
  }

  reset(): void {
    this.#response.destroy();
  }

  closeConnection(): void {
    this.#response.shouldKeepAlive = false;
  }

  switchToBytes(headers: RawHeaders): Duplex {
    const socket = this.#takeSocket?.();
    if (socket === undefined) {
      throw new Error("the connection cannot be handed over");
    }
    this.#response.detachSocket(this.#request.socket);
    const key = this.webSocketKey ?? "";
    const fields = ["Connection", "Upgrade", "Upgrade", "websocket", ...headers];
    fields.push("Sec-WebSocket-Accept", acceptOf(key));
    socket.write(headBytes("HTTP/1.1 101 Switching Protocols", fields));
    this.#switched = true;
    return socket;
  }

  onClose(listener: (whole: boolean, code: number) => void): void {
    this.#response.once("close", () => listener(this.#response.writableFinished, 0));
  }
}

/** Whether the answer's body will be chunked; other bodies have no place for fields behind them (RFC 9112 §6.5). */
function mayChunk({ httpVersion }: IncomingMessage, headers: RawHeaders): boolean {
  return httpVersion === "1.1" && fieldValues(headers, "content-length").length === 0;
}

/** Reason phrases travel as Latin-1; one that did not survive its decoding is left out. */
function isReasonPhrase(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
