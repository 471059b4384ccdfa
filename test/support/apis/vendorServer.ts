import { type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from "node:http2";
import { type AddressInfo, type Socket } from "node:net";
import { type Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { type WebSocket, WebSocketServer } from "ws";
import { type TestAuthority } from "../certificates.ts";
import { type Api, type ApiAnswer, type Model, type ServerEvent } from "./api.ts";

export interface VendorRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  /** The credential that it carried in the vendor's way. */
  readonly key: string | undefined;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  /** The body; of a WebSocket, each message that came, and "" for its opening. */
  readonly body: string;
  readonly transport: "json" | "sse" | "websocket" | "refused";
  readonly httpVersion: string;
}

type AnyRequest = IncomingMessage | Http2ServerRequest;

/** TLS on loopback, HTTP/2 and HTTP/1.1, for the APIs of several vendors; without its key a vendor answers nothing. */
export class VendorServer {
  readonly requests: VendorRequest[] = [];
  /** What the vendors' models say. */
  model: Model = () => ({ kind: "text", pieces: ["Hello."] });
  /** Called with every request before it is answered. */
  onRequest: (request: VendorRequest) => void = () => undefined;
  readonly #apis: ReadonlyMap<string, Api>;
  readonly #keys: ReadonlyMap<string, string>;
  readonly #server: Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #webSockets = new WebSocketServer({ noServer: true });

  private constructor(server: Http2SecureServer, apis: readonly Api[], keys: ReadonlyMap<string, string>) {
    this.#server = server;
    this.#apis = new Map(apis.map((api) => [api.host, api]));
    this.#keys = keys;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("request", (request, response) => {
      // HTTP/2's compatibility API answers to the same calls, which the union of the two types cannot say.
      this.#serve(request, response as unknown as ServerResponse).catch((error: unknown) => {
        console.error("stand-in of a vendor's API:", error);
        response.destroy();
      });
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
  }

  /** @param keys host → the one key that its vendor takes. */
  static async start(
    authority: TestAuthority,
    apis: readonly Api[],
    keys: ReadonlyMap<string, string>,
  ): Promise<VendorServer> {
    const certificate = await authority.issue({ names: apis.map(({ host }) => host) });
    const vendors = new VendorServer(createSecureServer({ ...certificate, allowHTTP1: true }), apis, keys);
    await new Promise<void>((resolve) => vendors.#server.listen(0, "127.0.0.1", resolve));
    return vendors;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Forgets what was received and answers plainly again. */
  reset(): void {
    this.requests.length = 0;
    this.model = () => ({ kind: "text", pieces: ["Hello."] });
    this.onRequest = () => undefined;
  }

  async #serve(request: AnyRequest, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { api, key, isAuthorized } = this.#admit(request);
    const { method = "", url: path = "", headers } = request;
    const answer: ApiAnswer = isAuthorized
      ? await api.answer({ method, path, headers, body }, this.model)
      : { kind: "json", ...api.refusal };
    const transport = isAuthorized ? (answer.kind === "events" ? "sse" : "json") : "refused";
    this.#record(request, { key, body, transport });
    if (answer.kind === "json") {
      // Some clients would try a refused key again for minutes.
      const retry = isAuthorized ? {} : { "x-should-retry": "false" };
      response.writeHead(answer.status, { "content-type": "application/json", ...retry });
      response.end(JSON.stringify(answer.body));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    for await (const event of answer.events) {
      response.write(formatEvent(event));
    }
    response.end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { api, key, isAuthorized } = this.#admit(request);
    const { message } = api;
    this.#record(request, { key, body: "", transport: isAuthorized ? "websocket" : "refused" });
    if (!isAuthorized || message === undefined) {
      const { status, body } = isAuthorized ? { status: 426, body: {} } : api.refusal;
      const content = JSON.stringify(body);
      socket.end(
        `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n` +
          `content-length: ${Buffer.byteLength(content)}\r\n\r\n${content}`,
      );
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      webSocket.on("message", (data: Buffer) => {
        const said = data.toString("utf8");
        this.#record(request, { key, body: said, transport: "websocket" });
        void sendAll(webSocket, message(said, this.model));
      });
    });
  }

  #admit(request: AnyRequest) {
    const { ":authority": authority, host = authority } = request.headers;
    const api = this.#apis.get(String(host));
    if (api === undefined) {
      throw new Error(`no API is called ${String(host)}`);
    }
    const key = api.keyOf(request.headers);
    return { api, key, isAuthorized: key !== undefined && key === this.#keys.get(api.host) };
  }

  #record(
    request: AnyRequest,
    { key, body, transport }: Pick<VendorRequest, "key" | "body" | "transport">,
  ): void {
    const { ":authority": authority, host = authority } = request.headers;
    const { method = "", url: path = "", rawHeaders, httpVersion } = request;
    const received = { host: String(host), method, path, key, rawHeaders, body, transport, httpVersion };
    this.requests.push(received);
    this.onRequest(received);
  }
}

async function sendAll(webSocket: WebSocket, events: AsyncIterable<ServerEvent>): Promise<void> {
  for await (const { data } of events) {
    webSocket.send(JSON.stringify(data));
  }
}

function formatEvent({ event, data }: ServerEvent): string {
  const name = event === undefined ? "" : `event: ${event}\n`;
  return `${name}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}
