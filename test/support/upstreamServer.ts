import { type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server as HttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { type Duplex } from "node:stream";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { type TestAuthority } from "./certificates.ts";
import { WireReader } from "./wire.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage["headers"];
  /** Fulfilled with the whole body; never if the client leaves before. */
  readonly body: Promise<Buffer>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A local TLS server that stands for a vendor's API: keeps what it received, answers as told. */
export class UpstreamServer {
  readonly received: ReceivedRequest[] = [];
  /** TCP connections that it has seen. */
  connections = 0;
  /** Whether bodies are read and kept; where not, that is up to the handler. */
  keepBodies = true;
  handler: Handler = (_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end('{"ok":true}');
  };
  readonly #server: HttpsServer;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: ((request: ReceivedRequest) => void)[] = [];

  private constructor(server: HttpsServer) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const body = this.keepBodies ? bodyOf(request) : Promise.resolve(Buffer.alloc(0));
      const received: ReceivedRequest = {
        method: request.method ?? "",
        url: request.url ?? "",
        rawHeaders: request.rawHeaders,
        headers: request.headers,
        body,
      };
      this.received.push(received);
      this.#waiting.shift()?.(received);
      this.handler(request, response);
    });
  }

  /** Takes requests for another protocol; without it they are served like any other. */
  set onUpgrade(listener: (request: IncomingMessage, socket: Duplex, head: Buffer) => void) {
    this.#server.removeAllListeners("upgrade");
    this.#server.on("upgrade", listener);
  }

  static async start(authority: TestAuthority, names: readonly string[]): Promise<UpstreamServer> {
    const { key, cert } = await authority.issue({ names });
    return UpstreamServer.startWith({ key, cert });
  }

  static async startWith(certificate: { key: string; cert: string }): Promise<UpstreamServer> {
    const server = createServer({ ...certificate, maxHeaderSize: 256 * 1024 });
    // No number of header fields is too much for a test.
    server.maxHeadersCount = 0;
    const upstream = new UpstreamServer(server);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Fulfilled when the next request's head has arrived. */
  next(): Promise<ReceivedRequest> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next request, of whose body nothing is read until the test does; it is answered by the test as well. */
  hold(): Promise<IncomingMessage> {
    return new Promise((resolve) => {
      this.keepBodies = false;
      this.handler = (request) => {
        this.keepBodies = true;
        resolve(request);
      };
    });
  }

  /** Forgets what was received and answers plainly again. */
  reset(): void {
    this.received.length = 0;
    this.#waiting.length = 0;
    this.keepBodies = true;
    this.handler = (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end('{"ok":true}');
    };
  }

  dropConnections(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

/** A server that sends exactly the bytes a test writes: for what Node's own server would not say. */
export class RawServer {
  /** Connections that it has seen. */
  connections = 0;
  readonly #server: Server;
  /** Every TCP connection, by the port of its other end. */
  readonly #sockets = new Map<number, Socket>();
  readonly #arrived: WireReader[] = [];
  readonly #waiting: ((connection: WireReader) => void)[] = [];

  private constructor(server: Server, event: "connection" | "secureConnection") {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      const port = socket.remotePort ?? 0;
      this.#sockets.set(port, socket);
      socket.once("close", () => this.#sockets.delete(port));
    });
    server.on(event, (socket: Socket) => {
      this.connections++;
      const connection = new WireReader(socket);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) {
        this.#arrived.push(connection);
      } else {
        waiting(connection);
      }
    });
  }

  static async start(): Promise<RawServer> {
    return new RawServer(createTcpServer({ allowHalfOpen: true }), "connection").#listen();
  }

  /** @param options without `ALPNProtocols`, what is spoken is left open */
  static async startTls(
    authority: TestAuthority,
    names: readonly string[],
    options: Pick<TlsOptions, "ALPNProtocols" | "ecdhCurve"> = {},
  ): Promise<RawServer> {
    const certificate = await authority.issue({ names });
    const server = createTlsServer({ ...certificate, allowHalfOpen: true, ...options });
    return new RawServer(server, "secureConnection").#listen();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection, in the order in which they come. */
  next(): Promise<WireReader> {
    const arrived = this.#arrived.shift();
    return arrived === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(arrived);
  }

  /** Resets a connection, also one with TLS. */
  reset({ socket }: WireReader): void {
    this.#sockets.get(socket.remotePort ?? 0)?.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.values()) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }
}
