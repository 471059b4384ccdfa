// The server that the doctor's probes reach through the gateway: HTTP/1.1, HTTP/2, server-sent events, WebSocket, and as
// much of a git repository and of package indexes as their tools ask for first. It says whether the injected value
// arrived and never the value.
import { createServer, type Server } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
} from "node:http2";
import { type AddressInfo, type Socket } from "node:net";
import { type Leaf } from "./certificateAuthority.ts";
import { echoWebSocket } from "./webSocketEcho.ts";

interface Seen {
  arrived: number;
  webSockets: number;
}

/** A stream of events waits no longer than this for its release, in milliseconds. */
const releaseTimeout = 60_000;
const maxHosts = 500;

export class DoctorEcho {
  readonly #expected: string;
  readonly #secure: Http2SecureServer;
  /** Takes CONNECT as a proxy does, so that the gateway reaches the echo by any name. */
  readonly #entrance: Server;
  readonly #sockets = new Set<Socket>();
  readonly #seen = new Map<string, Seen>();
  readonly #waiting = new Map<string, () => void>();

  private constructor(leaf: Leaf, authorization: string) {
    this.#expected = authorization;
    this.#secure = createSecureServer({ key: leaf.key, cert: leaf.certificate, allowHTTP1: true });
    this.#secure.on("request", (request, response) => this.#answer(request, response));
    // The types know of no upgrade on this server; over HTTP/1.1 there is one.
    this.#secure.on("upgrade", (request: Http2ServerRequest, socket: Socket, head: Buffer) => {
      socket.on("error", () => undefined);
      this.#note(request).webSockets++;
      echoWebSocket(request.headers["sec-websocket-key"], socket, head, request.url.endsWith("/greeting"));
    });
    this.#secure.on("sessionError", () => undefined);
    this.#secure.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
    this.#entrance = createServer((_request, response) => response.writeHead(404).end());
    this.#entrance.on("connect", (_request, socket: Socket) => {
      socket.on("error", () => undefined);
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      this.#secure.emit("connection", socket);
    });
    this.#entrance.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens on 127.0.0.1. @param authorization the value of `Authorization` that the gateway is to set. */
  static async start(leaf: Leaf, authorization: string): Promise<DoctorEcho> {
    const echo = new DoctorEcho(leaf, authorization);
    await new Promise<void>((resolve, reject) => {
      echo.#entrance.once("error", reject);
      echo.#entrance.listen(0, "127.0.0.1", resolve);
    });
    return echo;
  }

  get port(): number {
    return (this.#entrance.address() as AddressInfo).port;
  }

  seen(label: string): Readonly<Seen> | undefined {
    return this.#seen.get(label);
  }

  /** Lets the stream of events of a host go on to its second event. */
  release(label: string): void {
    this.#waiting.get(label)?.();
  }

  close(): void {
    this.#entrance.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #note({ headers }: Pick<Http2ServerRequest, "headers">): Seen {
    const label = labelOf(authorityOf(headers));
    let seen = this.#seen.get(label);
    if (seen === undefined) {
      seen = { arrived: 0, webSockets: 0 };
      if (this.#seen.size < maxHosts) {
        this.#seen.set(label, seen);
      }
    }
    seen.arrived += headers.authorization === this.#expected ? 1 : 0;
    return seen;
  }

  #answer(request: Http2ServerRequest, response: Http2ServerResponse): void {
    this.#note(request);
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    request.resume();
    const [path = ""] = request.url.split("?");
    const authority = authorityOf(request.headers);
    if (path === "/events") {
      this.#stream(labelOf(authority), response);
      return;
    }
    const known = documents[path]?.(authority);
    const [type, body] = known ?? ["application/json", JSON.stringify(this.#report(request))];
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(body);
  }

  #report({ headers, httpVersion }: Http2ServerRequest) {
    return { onecli: "doctor", arrived: headers.authorization === this.#expected, upstream: httpVersion };
  }

  /** The second event leaves when the first was seen at the other end: what arrives whole arrives too late. */
  #stream(label: string, response: Http2ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("data: first\n\n");
    const timer = setTimeout(() => response.end(), releaseTimeout).unref();
    response.once("close", () => {
      clearTimeout(timer);
      this.#waiting.delete(label);
    });
    this.#waiting.set(label, () => response.end("data: second\n\n"));
  }
}

/** Over HTTP/1.1 the request has no `authority` of its own, whatever its type says. */
function authorityOf(headers: IncomingHttpHeaders): string {
  return headers[":authority"] ?? headers.host ?? "";
}

function labelOf(authority: string): string {
  return authority.split(".", 1)[0]?.toLowerCase() ?? "";
}

/** What tools ask for before anything else, by path. */
const documents: Readonly<Record<string, (authority: string) => readonly [type: string, body: string]>> = {
  // git's dumb protocol: a list of references, and no capability behind it.
  "/repository.git/info/refs": () => ["text/plain", `${"0c".repeat(20)}\trefs/heads/main\n`],
  "/repository.git/HEAD": () => ["text/plain", "ref: refs/heads/main\n"],
  // Cargo's sparse index.
  "/index/config.json": (authority) => [
    "application/json",
    JSON.stringify({ dl: `https://${authority}/crates` }),
  ],
  // Python's simple index, without a single file.
  "/simple/onecli-doctor/": () => ["text/html", "<!DOCTYPE html><title>onecli-doctor</title>"],
};
