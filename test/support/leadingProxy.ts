// A parent proxy for tests and the demo: it leads host names to local servers, as a company's DNS or proxy might.
import { createServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export class LeadingProxy {
  /** `host:port` of every CONNECT, and URL of every plain request, in order. */
  readonly asked: string[] = [];
  /** `host:port` → local port. What is not in it is refused with 502. */
  readonly routes = new Map<string, number>();
  /** Answers every request with this status instead. */
  refuseWith: number | undefined;
  /** Takes connections and never says a word. */
  silent = false;
  #held: { readonly asked: (client: Socket) => void; readonly released: Promise<void> } | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((incoming, response) => {
      this.asked.push(incoming.url ?? "");
      const url = new URL(incoming.url ?? "");
      const port = this.routes.get(`${url.hostname}:${url.port || "80"}`);
      if (port === undefined) {
        response.writeHead(502).end();
        return;
      }
      const { method, headers } = incoming;
      const path = url.pathname + url.search;
      const onward = httpRequest({ port, host: "127.0.0.1", method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      incoming.pipe(onward);
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("connect", (incoming: IncomingMessage, client: Socket, head: Buffer) => {
      void this.#connect(incoming.url ?? "", client, head);
    });
  }

  static async start(): Promise<LeadingProxy> {
    const proxy = new LeadingProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Keeps the next CONNECT waiting until it is released; `asked` gives its connection. */
  hold(): { readonly asked: Promise<Socket>; readonly release: () => void } {
    const asked = Promise.withResolvers<Socket>();
    const released = Promise.withResolvers<undefined>();
    this.#held = { asked: asked.resolve, released: released.promise };
    return { asked: asked.promise, release: () => released.resolve(undefined) };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #connect(target: string, client: Socket, head: Buffer): Promise<void> {
    this.asked.push(target);
    client.on("error", () => undefined);
    if (this.silent) {
      return;
    }
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      // Reading is what shows that the client leaves.
      client.resume();
      held.asked(client);
      await held.released;
      client.pause();
    }
    const port = this.routes.get(target);
    if (this.refuseWith !== undefined || port === undefined) {
      client.end(`HTTP/1.1 ${this.refuseWith ?? 502} Refused\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const onward = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    onward.on("error", () => client.destroy());
    client.on("close", () => onward.destroy());
    onward.once("connect", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      client.pipe(onward);
      onward.pipe(client);
    });
  }
}
