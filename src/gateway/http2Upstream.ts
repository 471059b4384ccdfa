// The way up by HTTP/2: few connections for one origin, many requests on each.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { type TLSSocket } from "node:tls";
import { OneCliError } from "../core/errors.ts";
import { endToEndHeaders, fieldValues } from "../core/headers.ts";
import { fromHttp2, toHttp2 } from "./http2Fields.ts";
import { type AnswerHandler, UpstreamReset, type UpstreamRequest } from "./upstreamRequest.ts";
import { connectionWindow, maxFieldBytes, maxFields, streamWindow } from "./http2Settings.ts";

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** Streams on one connection, where the upstream allows more. */
const maxStreams = 100;

/** Milliseconds that a connection without streams is kept. */
const idleTime = 15_000;

/** Milliseconds of silence, while streams are open, after which the other side is asked whether it is there. */
const silenceTime = 15_000;

export class Http2Upstream {
  readonly #open: () => Promise<Http2Connection>;
  readonly #connections = new Set<Http2Connection>();
  readonly #queue = new Set<QueuedRequest>();
  #opening = false;

  constructor(open: () => Promise<Http2Connection>) {
    this.#open = open;
  }

  adopt(connection: Http2Connection): void {
    this.#connections.add(connection);
    connection.onChange(() => {
      if (connection.isClosed) {
        this.#connections.delete(connection);
      }
      this.#next();
    });
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    const queued: QueuedRequest = { request, handler };
    this.#queue.add(queued);
    handler.onStart(() => this.#queue.delete(queued));
    this.#next();
  }

  /** No new requests; those under way go on. */
  close(): void {
    for (const connection of this.#connections) {
      connection.close();
    }
  }

  destroy(): void {
    for (const connection of this.#connections) {
      connection.destroy();
    }
  }

  #next(): void {
    for (const queued of this.#queue) {
      const connection = [...this.#connections].find(({ hasRoom }) => hasRoom);
      if (connection === undefined) {
        this.#openOne();
        return;
      }
      this.#queue.delete(queued);
      connection.dispatch(queued.request, queued.handler);
    }
  }

  /** One at a time: it makes room for some that wait, or fails all of them. */
  #openOne(): void {
    if (this.#opening) {
      return;
    }
    this.#opening = true;
    this.#open()
      .then((connection) => {
        this.adopt(connection);
        if (!connection.hasRoom) {
          // Another one would be like it, and so on without end.
          throw new Error("the connection was closed, or its room taken away, as soon as it was open");
        }
      })
      .catch((error: unknown) => {
        for (const { handler } of [...this.#queue]) {
          handler.onError(error as Error);
        }
        this.#queue.clear();
      })
      .finally(() => {
        this.#opening = false;
        this.#next();
      });
  }
}

interface QueuedRequest {
  readonly request: UpstreamRequest;
  readonly handler: AnswerHandler;
}

/** One connection. */
export class Http2Connection {
  readonly #session: ClientHttp2Session;
  #streams = 0;
  #changed: () => void = () => undefined;
  #lastUse = Date.now();
  #heard = 0;
  readonly #watch: NodeJS.Timeout;

  private constructor(session: ClientHttp2Session, socket: TLSSocket) {
    this.#session = session;
    session.on("close", () => this.#onClose());
    session.on("goaway", () => this.#changed());
    session.on("remoteSettings", () => this.#changed());
    this.#watch = setInterval(() => this.#check(socket), silenceTime).unref();
  }

  /**
   * Speaks HTTP/2 on a connection whose handshake agreed on it. Fulfilled when the other side's settings are known, and
   * allow a request: it may start with none (RFC 9113 §5.1.2).
   * @throws OneCliError `upstream-unreachable`; the reason of `signal`.
   */
  static open(socket: TLSSocket, host: string, signal: AbortSignal): Promise<Http2Connection> {
    return new Promise((resolve, reject) => {
      const session = connect(`https://${host}`, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: streamWindow, maxHeaderListSize: maxFieldBytes },
        maxSendHeaderBlockLength: maxFieldBytes,
        maxHeaderListPairs: maxFields,
        strictSingleValueFields: false,
      } as Parameters<typeof connect>[1]);
      // Opened half-open, for tunnels; nothing can come by it any more.
      socket.once("end", () => socket.destroy());
      const abandon = () => {
        session.destroy();
        reject(signal.reason as Error);
      };
      const fail = () => {
        signal.removeEventListener("abort", abandon);
        session.destroy();
        reject(new OneCliError("upstream-unreachable", `${host} closed the connection at its start.`));
      };
      signal.addEventListener("abort", abandon, { once: true });
      // Its streams, and "close", say all there is to know.
      session.on("error", () => undefined);
      session.once("close", fail);
      session.on("remoteSettings", function admit({ maxConcurrentStreams }) {
        if (maxConcurrentStreams === 0) {
          return;
        }
        session.off("remoteSettings", admit);
        signal.removeEventListener("abort", abandon);
        session.off("close", fail);
        session.setLocalWindowSize(connectionWindow);
        resolve(new Http2Connection(session, socket));
      });
    });
  }

  get isClosed(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  get hasRoom(): boolean {
    const { maxConcurrentStreams = maxStreams } = this.#session.remoteSettings;
    // A machine that slept comes back with connections that only look open.
    const stale = this.#streams === 0 && Date.now() - this.#lastUse > idleTime;
    return !this.isClosed && !stale && this.#streams < Math.min(maxConcurrentStreams, maxStreams);
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  dispatch(request: UpstreamRequest, handler: AnswerHandler): void {
    if (request.webSocketKey !== undefined && this.#session.remoteSettings.enableConnectProtocol !== true) {
      const message = `${request.host} speaks HTTP/2 alone, and takes no WebSockets by it.`;
      handler.onError(new OneCliError("upgrade-unsupported", message));
      return;
    }
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(
        toHttp2(request.headers, {
          ":method": request.webSocketKey !== undefined ? "CONNECT" : request.method,
          ":scheme": "https",
          ":authority": request.host,
          ":path": request.path,
          ...(request.webSocketKey !== undefined && { ":protocol": "websocket" }),
        }),
        {
          endStream: request.body === null && request.webSocketKey === undefined,
          waitForTrailers: request.body !== null,
        },
      );
    } catch (error) {
      handler.onError(error as Error);
      return;
    }
    this.#streams++;
    stream.once("close", () => {
      this.#streams--;
      this.#lastUse = Date.now();
      this.#changed();
    });
    carry(stream, request, handler, () => this.#session.destroyed);
  }

  close(): void {
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #onClose(): void {
    clearInterval(this.#watch);
    this.#changed();
  }

  /** Closes a connection that is idle, or whose other side is gone without a word. */
  #check({ bytesRead }: TLSSocket): void {
    const silent = bytesRead === this.#heard;
    this.#heard = bytesRead;
    if (this.#streams === 0) {
      if (Date.now() - this.#lastUse > idleTime) {
        this.close();
      }
    } else if (silent) {
      const limit = setTimeout(() => this.destroy(), silenceTime).unref();
      // Called at the connection's end as well.
      if (!this.#session.ping(() => clearTimeout(limit))) {
        clearTimeout(limit);
      }
    }
  }
}

/**
 * Carries one request up its stream, and the answer to its handler.
 * @param isCut whether the connection is gone, and took the stream along
 */
function carry(
  stream: ClientHttp2Stream,
  request: UpstreamRequest,
  handler: AnswerHandler,
  isCut: () => boolean,
): void {
  let over = false;
  let answered = false;
  let trailers: string[] = [];
  let expected: number | undefined;
  let received = 0;
  const finish = (tell: () => void) => {
    if (!over) {
      over = true;
      tell();
    }
  };
  handler.onStart((code) => {
    over = true;
    stream.close(code);
    stream.resume();
  });
  stream.on("response", (headers, _flags, rawHeaders) => {
    const status = headers[":status"] ?? 0;
    const fields = fromHttp2(rawHeaders);
    if (over) {
      return;
    }
    if (request.webSocketKey !== undefined && status === 200) {
      finish(() => handler.onSwitch(fields, stream));
      return;
    }
    if (request.method !== "HEAD" && status !== 304) {
      const [length] = fieldValues(fields, "content-length");
      expected = length === undefined ? undefined : Number(length);
    }
    answered = true;
    if (!handler.onHead(status, "", fields, () => stream.resume())) {
      stream.pause();
    }
    stream.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (!over && !handler.onData(chunk)) {
        stream.pause();
      }
    });
  });
  stream.on("trailers", (_headers, _flags, rawTrailers: string[]) => {
    trailers = fromHttp2(rawTrailers);
  });
  stream.on("end", () => {
    // Servers of Node reset a whole answer without an error, instead of ending it; its length may tell.
    const isWhole = answered && (expected === undefined || expected === received);
    if (isWhole && stream.rstCode === NGHTTP2_NO_ERROR) {
      finish(() => handler.onEnd(trailers));
      // The answer is whole: what was not sent of the request by now is not wanted (RFC 9113 §8.1).
      if (!stream.writableFinished) {
        stream.close(NGHTTP2_CANCEL);
      }
    }
  });
  // "close" says all there is to know.
  stream.on("error", () => undefined);
  stream.once("close", () => {
    request.body?.destroy();
    const code = stream.rstCode;
    // A request that a goodbye left out may be sent again, which its code says best (RFC 9113 §8.7).
    const isReset = code === NGHTTP2_REFUSED_STREAM || (code !== NGHTTP2_NO_ERROR && !isCut());
    finish(() => handler.onError(isReset ? new UpstreamReset(code) : new Error("the answer was cut off")));
  });
  const { body } = request;
  if (body !== null) {
    stream.on("wantTrailers", () => {
      // Asked for by the end of a stream that was reset as well: its trailers would make it a whole one.
      if (body.readableEnded && !stream.closed) {
        stream.sendTrailers(toHttp2(endToEndHeaders(body.trailers)));
      }
    });
    body.on("data", (chunk: Buffer) => {
      if (!stream.write(chunk)) {
        body.pause();
      }
    });
    stream.on("drain", () => body.resume());
    body.on("end", () => stream.end());
    body.on("error", () => undefined);
    body.once("close", () => {
      if (!body.readableEnded) {
        stream.close(NGHTTP2_CANCEL);
      }
    });
  }
}
