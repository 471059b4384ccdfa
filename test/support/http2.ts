// Both ends of HTTP/2 for tests: a client that reaches the gateway by CONNECT, and a server that stands for an API.
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import { type AddressInfo, type Socket } from "node:net";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";
import { type TestAuthority } from "./certificates.ts";
import { openTlsSocket } from "./wire.ts";

/** An HTTP/2 connection to a mapped host. */
export async function openHttp2(
  endpoint: GatewayEndpoint,
  target: string,
  ca: string,
): Promise<ClientHttp2Session> {
  const socket = await openTlsSocket(endpoint, target, { ca, protocol: "h2" });
  const session = connect(`https://${target.replace(/:443$/, "")}`, {
    createConnection: () => socket,
    maxSendHeaderBlockLength: 1024 * 1024,
  } as Parameters<typeof connect>[1]);
  // Tests look at what became of their streams.
  session.on("error", () => undefined);
  await once(session, "remoteSettings");
  return session;
}

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  /** RFC 9113 §7; 0 where the stream ended as it should. */
  readonly code: number;
}

/** Sends a request whole and reads the answer whole, whatever becomes of it. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Http2Answer> {
  const stream = session.request({ ":path": "/", ...headers }, { endStream: body === undefined });
  if (body !== undefined) {
    stream.end(body);
  }
  return answerOf(stream);
}

export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {};
  let rawHeaders: readonly string[] = [];
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (received, _flags, raw) => {
    headers = received;
    rawHeaders = raw;
  });
  stream.on("trailers", (received: IncomingHttpHeaders) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => undefined);
  if (!stream.destroyed) {
    await new Promise((resolve) => stream.once("close", resolve));
  }
  return {
    status: Number(headers[":status"] ?? 0),
    headers,
    rawHeaders,
    body: Buffer.concat(chunks).toString("latin1"),
    trailers,
    code: stream.rstCode,
  };
}

export interface Http2Request {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

type Handler = (request: Http2Request) => void;

const answerPlainly: Handler = ({ stream }) => {
  stream.respond({ ":status": 200, "content-type": "application/json" });
  stream.end('{"ok":true}');
};

/** A local server that speaks HTTP/2 alone, keeps what it received and answers as told. */
export class Http2UpstreamServer {
  readonly received: Http2Request[] = [];
  readonly sessions = new Set<ServerHttp2Session>();
  connections = 0;
  handler: Handler = answerPlainly;
  readonly #server: Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: ((request: Http2Request) => void)[] = [];

  private constructor(server: Http2SecureServer) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("session", (session: ServerHttp2Session) => {
      this.sessions.add(session);
      session.on("error", () => undefined);
      session.once("close", () => this.sessions.delete(session));
    });
    server.on(
      "stream",
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => {
        stream.on("error", () => undefined);
        const request = { stream, headers, rawHeaders };
        this.received.push(request);
        this.#waiting.shift()?.(request);
        this.handler(request);
      },
    );
  }

  static async start(
    authority: TestAuthority,
    names: readonly string[],
    settings: Pick<Settings, "maxConcurrentStreams" | "enableConnectProtocol" | "initialWindowSize"> = {},
  ): Promise<Http2UpstreamServer> {
    const certificate = await authority.issue({ names });
    const server = createSecureServer({
      ...certificate,
      settings: { ...settings, maxHeaderListSize: 1024 * 1024 },
      maxHeaderListPairs: 20_000,
      noDelay: true,
    });
    const upstream = new Http2UpstreamServer(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Fulfilled with the next request. */
  next(): Promise<Http2Request> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  reset(): void {
    this.received.length = 0;
    this.#waiting.length = 0;
    this.handler = answerPlainly;
  }

  dropConnections(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
