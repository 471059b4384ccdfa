// A parent proxy for tests and the demo: it leads host names to local servers, as a company's DNS or proxy might.
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { type ServerCertificate } from "./certificates.ts";

export class LeadingProxy {
  /** `host:port` of every CONNECT, and URL of every plain request, in order. */
  readonly asked: string[] = [];
  /** The same for tunnels to 127.0.0.1, which lead there: the 1Password of a test is asked this way. */
  readonly askedLocally: string[] = [];
  /** `host:port` → local port. What is not in it is refused with 502. */
  readonly routes = new Map<string, number>();
  /** Answers every request with this status instead. */
  refuseWith: number | undefined;
  /** Takes connections and never says a word. */
  silent = false;
  /** Wanted from everybody, where it is set, as `user:password`. */
  login: string | undefined;
  /** Kinds of login that are named where one is wanted. */
  challenge = 'Basic realm="company"';
  /** Sends these bytes as the answer to CONNECT, and ends. */
  answerWith: string | undefined;
  /** Sent right behind the answer to CONNECT, as if the host had spoken at once. */
  glued = "";
  #held: { readonly asked: (client: Socket) => void; readonly released: Promise<void> } | undefined;
  readonly #server: Server;
  readonly #isTls: boolean;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor(certificate: ServerCertificate | undefined, allowHalfOpen: boolean) {
    const forward = (incoming: IncomingMessage, response: ServerResponse) =>
      this.#forward(incoming, response);
    this.#server =
      certificate === undefined
        ? createServer(forward)
        : createTlsServer({ ...certificate, allowHalfOpen }, forward);
    this.#isTls = certificate !== undefined;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("connect", (incoming: IncomingMessage, client: Socket, head: Buffer) => {
      void this.#connect(incoming, client, head);
    });
  }

  /**
   * @param certificate for a proxy of the kind https.
   * @param allowHalfOpen of one: where it is, Node does not notice a client that leaves during the handshake.
   */
  static async start(certificate?: ServerCertificate, allowHalfOpen = true): Promise<LeadingProxy> {
    const proxy = new LeadingProxy(certificate, allowHalfOpen);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#isTls ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  /** Fulfilled when a tunnel is asked for. */
  nextAsked(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Fulfilled when no connection is open. */
  async idle(): Promise<void> {
    for (const socket of this.#sockets) {
      await new Promise((resolve) => socket.once("close", resolve));
    }
  }

  /** Keeps the next CONNECT, but to 127.0.0.1, waiting until it is released; `asked` gives its connection. */
  hold(): { readonly asked: Promise<Socket>; readonly release: () => void } {
    const asked = Promise.withResolvers<Socket>();
    const released = Promise.withResolvers<undefined>();
    this.#held = { asked: asked.resolve, released: released.promise };
    return { asked: asked.promise, release: () => released.resolve(undefined) };
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

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    this.asked.push(incoming.url ?? "");
    const url = new URL(incoming.url ?? "");
    const port = this.routes.get(`${url.hostname}:${url.port || "80"}`);
    if (!this.#knows(incoming)) {
      response.writeHead(407, { "proxy-authenticate": this.challenge, connection: "close" }).end();
      return;
    }
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
  }

  #knows({ headers }: IncomingMessage): boolean {
    const expected = `Basic ${Buffer.from(this.login ?? "").toString("base64")}`;
    return this.login === undefined || headers["proxy-authorization"] === expected;
  }

  async #connect(incoming: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const target = incoming.url ?? "";
    const [, local] = /^127\.0\.0\.1:(\d+)$/.exec(target) ?? [];
    const isLocal = local !== undefined && !this.routes.has(target);
    (isLocal ? this.askedLocally : this.asked).push(target);
    client.on("error", () => undefined);
    this.#waiting.splice(0).forEach((resolve) => resolve());
    if (this.silent) {
      // Reading is what shows that the client leaves.
      client.resume().once("end", () => client.destroy());
      return;
    }
    if (this.answerWith !== undefined) {
      client.end(this.answerWith, "latin1");
      return;
    }
    if (!this.#knows(incoming)) {
      client.end(`HTTP/1.1 407 Login\r\nproxy-authenticate: ${this.challenge}\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const held = isLocal ? undefined : this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      // Reading is what shows that the client leaves.
      client.resume();
      held.asked(client);
      await held.released;
      client.pause();
    }
    const port = isLocal ? Number(local) : this.routes.get(target);
    if (this.refuseWith !== undefined || port === undefined) {
      client.end(`HTTP/1.1 ${this.refuseWith ?? 502} Refused\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const onward = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    onward.on("error", () => client.destroy());
    client.on("close", () => onward.destroy());
    onward.once("connect", () => {
      client.write(`HTTP/1.1 200 Connection established\r\n\r\n${this.glued}`);
      onward.write(head);
      client.pipe(onward);
      onward.pipe(client);
    });
  }
}
