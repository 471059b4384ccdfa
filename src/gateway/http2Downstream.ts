import { randomBytes } from "node:crypto";
import { constants, type ServerHttp2Stream } from "node:http2";
import { type Duplex } from "node:stream";
import { errorAnswer, handshakeAnswer, type OneCliError } from "../core/errors.ts";
import { endToEndHeaders, fieldValues, type RawHeaders } from "../core/headers.ts";
import { type Downstream, isBodiless } from "./downstream.ts";
import { watchEnd } from "./http2End.ts";
import { fromHttp2, joinCookies, pseudoField, toHttp2 } from "./http2Fields.ts";
import { type Release } from "./readBuffers.ts";
import { type UploadBody, uploadOf } from "./uploadBody.ts";

const { NGHTTP2_NO_ERROR } = constants;

/** What a stream wants of its connection. */
interface StreamConnection {
  /** No further requests on it. */
  readonly close: () => void;
  /** The stream is a WebSocket from now on. */
  readonly switched: () => void;
}

/** A request that came by HTTP/2: one stream of a connection. */
export class Http2Downstream implements Downstream {
  readonly method: string;
  readonly target: string;
  readonly hosts: readonly string[];
  readonly headers: RawHeaders;
  readonly webSocketKey: string | undefined;
  readonly carriesResets = true;
  readonly #stream: ServerHttp2Stream;
  readonly #connection: StreamConnection;
  readonly #isEnded: () => boolean;
  #trailers: RawHeaders = [];
  #answerTrailers: RawHeaders = [];
  #ended = false;

  /** @param rawHeaders as the `stream` event gives them, pseudo fields included */
  constructor(stream: ServerHttp2Stream, rawHeaders: RawHeaders, connection: StreamConnection) {
    this.#stream = stream;
    this.#isEnded = watchEnd(stream);
    this.#connection = connection;
    const fields = fromHttp2(rawHeaders);
    const pseudo = (name: string) => pseudoField(rawHeaders, name);
    const authority = pseudo(":authority");
    const hosts = fieldValues(fields, "host");
    this.method = pseudo(":method") ?? "";
    this.target = pseudo(":path") ?? "";
    // By HTTP/2 a handshake has no key; the other side may want one.
    const isWebSocket = this.method === "CONNECT" && pseudo(":protocol") === "websocket";
    this.webSocketKey = isWebSocket ? randomBytes(16).toString("base64") : undefined;
    // A Host beside :authority has to agree with it (RFC 9113 §8.3.1): one that does is the same host named once.
    this.hosts = authority === undefined ? hosts : [authority, ...hosts.filter((host) => host !== authority)];
    this.headers = joinCookies(fields);
    stream.on("trailers", (_headers: unknown, _flags: unknown, rawTrailers: string[]) => {
      this.#trailers = rawTrailers;
    });
    stream.on("wantTrailers", () => {
      // Asked for by the end of a stream that was reset as well: its trailers would make it a whole one.
      if (!this.#ended || stream.closed) {
        return;
      }
      stream.sendTrailers(toHttp2(endToEndHeaders(this.#answerTrailers)));
      this.#stopUpload();
    });
    // "close" says all there is to know.
    stream.on("error", () => undefined);
    if (fieldValues(fields, "expect").some((value) => value.toLowerCase() === "100-continue")) {
      stream.additionalHeaders({ ":status": 100 });
    }
  }

  get hasBody(): boolean {
    return !this.#stream.endAfterHeaders && this.webSocketKey === undefined;
  }

  get status(): number {
    return this.#stream.headersSent ? Number(this.#stream.sentHeaders[":status"]) : 0;
  }

  get closed(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  openBody(): UploadBody {
    const stream = this.#stream;
    return uploadOf({
      stream,
      isComplete: () => this.#isComplete,
      trailers: () => this.#trailers,
      announcesTrailers: fieldValues(this.headers, "trailer").length > 0,
    });
  }

  sendHead(status: number, _reason: string, headers: RawHeaders): void {
    if (this.closed) {
      return;
    }
    const endStream = isBodiless(this.method, status);
    this.#ended = endStream;
    this.#stream.respond(toHttp2(headers, { ":status": status }), {
      endStream,
      waitForTrailers: !endStream,
      sendDate: false,
    } as Parameters<ServerHttp2Stream["respond"]>[1]);
  }

  write(chunk: Buffer, release?: Release): boolean {
    // Nothing drains on a stream that is over.
    return this.closed || this.#stream.writableEnded || this.#stream.write(chunk, release);
  }

  onDrain(listener: () => void): void {
    this.#stream.on("drain", listener);
  }

  end(trailers: RawHeaders): void {
    this.#answerTrailers = trailers;
    this.#ended = true;
    this.#stream.end();
  }

  sendError(error: OneCliError): void {
    if (this.closed) {
      return;
    }
    const answerFor = this.webSocketKey === undefined ? errorAnswer : handshakeAnswer;
    const { status, headers, body } = answerFor(error);
    this.#ended = true;
    this.#stream.respond(
      toHttp2([...headers, "content-length", String(Buffer.byteLength(body))], { ":status": status }),
      { endStream: this.method === "HEAD" },
    );
    const stream = this.#stream;
    stream.once("finish", () => this.#stopUpload());
    stream.end(this.method === "HEAD" ? undefined : body);
  }

  reset(code: number): void {
    this.#stream.close(code);
  }

  closeConnection(): void {
    this.#connection.close();
  }

  switchToBytes(headers: RawHeaders): Duplex {
    this.#connection.switched();
    this.#stream.respond(toHttp2(headers, { ":status": 200 }), { sendDate: false } as Parameters<
      ServerHttp2Stream["respond"]
    >[1]);
    return this.#stream;
  }

  onClose(listener: (whole: boolean, code: number) => void): void {
    this.#stream.once("close", () => {
      const code = this.#stream.rstCode;
      listener(this.#ended && code === NGHTTP2_NO_ERROR, code);
    });
  }

  get #isComplete(): boolean {
    return this.#stream.endAfterHeaders || (this.#isEnded() && this.#stream.readableEnded);
  }

  /** Tells a client that goes on uploading after its answer to stop (RFC 9113 §8.1). */
  #stopUpload(): void {
    const stream = this.#stream;
    if (!this.#isComplete) {
      stream.resume();
      // Behind the answer's last frame.
      setImmediate(() => stream.close(NGHTTP2_NO_ERROR));
    }
  }
}
