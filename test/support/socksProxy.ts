// A SOCKS 5 proxy for tests (RFC 1928, RFC 1929): it leads names to local servers, as leadingProxy.ts does.
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { WireReader } from "./wire.ts";

export class SocksProxy {
  /** `host:port` of every CONNECT, in order; names as they were given. */
  readonly asked: string[] = [];
  /** The same for 127.0.0.1, which leads there: the 1Password of a test is asked this way. */
  readonly askedLocally: string[] = [];
  /** Type of address of every CONNECT: 1 IPv4, 3 name, 4 IPv6. */
  readonly types: number[] = [];
  /** `host:port` → local port. What is not in it is refused with the reply 4. */
  readonly routes = new Map<string, number>();
  /** Wanted from everybody, where it is set. */
  login: { readonly username: string; readonly password: string } | undefined;
  /** Answers every CONNECT with this reply instead. */
  replyWith: number | undefined;
  /** Takes connections and never says a word. */
  silent = false;
  /** Sends these bytes instead of its first answer, and ends. */
  answerWith: string | undefined;
  /** Sent right behind the answer, as if the host had spoken at once. */
  glued = "";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      // A client that breaks off is its own affair.
      this.#serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(): Promise<SocksProxy> {
    const proxy = new SocksProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `socks5://127.0.0.1:${this.port}`;
  }

  /** Fulfilled when a client has begun to ask. */
  nextAsked(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Fulfilled when no connection is open. */
  async idle(): Promise<void> {
    for (const socket of this.#sockets) {
      await new Promise((resolve) => socket.once("close", resolve));
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(socket: Socket): Promise<void> {
    const wire = new WireReader(socket);
    const [, count = 0] = await wire.bytes(2);
    const methods = [...(await wire.bytes(count))];
    this.#waiting.splice(0).forEach((resolve) => resolve());
    if (this.silent) {
      await wire.closed();
      socket.destroy();
      return;
    }
    if (this.answerWith !== undefined) {
      socket.end(this.answerWith, "latin1");
      return;
    }
    if (!(await this.#logIn(wire, methods))) {
      socket.end();
      return;
    }
    const [, , , type = 0] = await wire.bytes(4);
    const host = await readHost(wire, type);
    const port = (await wire.bytes(2)).readUInt16BE();
    const target = `${host}:${port}`;
    const isLocal = host === "127.0.0.1" && !this.routes.has(target);
    (isLocal ? this.askedLocally : this.asked).push(target);
    this.types.push(type);
    const local = isLocal ? port : this.routes.get(target);
    const reply = this.replyWith ?? (local === undefined ? 4 : 0);
    // Bound to a name, the longest form that an answer has.
    const answer = Buffer.concat([
      Buffer.from([5, reply, 0, 3, 9]),
      Buffer.from("localhost"),
      Buffer.from([0, 0]),
    ]);
    if (local === undefined || reply !== 0) {
      socket.end(answer);
      return;
    }
    const onward = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    onward.once("connect", () => {
      // In two pieces, as a network may do.
      socket.write(answer.subarray(0, 3));
      setImmediate(() => {
        socket.write(Buffer.concat([answer.subarray(3), Buffer.from(this.glued)]));
        socket.pause();
        void wire.bytes(wire.buffered).then((early) => {
          socket.removeAllListeners("data");
          onward.write(early);
          socket.pipe(onward);
          onward.pipe(socket);
        });
      });
    });
  }

  async #logIn(wire: WireReader, methods: readonly number[]): Promise<boolean> {
    const method = this.login === undefined ? 0 : 2;
    if (!methods.includes(method)) {
      wire.socket.write(Buffer.from([5, 0xff]));
      return false;
    }
    wire.socket.write(Buffer.from([5, method]));
    if (this.login === undefined) {
      return true;
    }
    await wire.bytes(1);
    const username = await readText(wire);
    const password = await readText(wire);
    const isRight = username === this.login.username && password === this.login.password;
    wire.socket.write(Buffer.from([1, isRight ? 0 : 1]));
    return isRight;
  }
}

async function readHost(wire: WireReader, type: number): Promise<string> {
  switch (type) {
    case 1:
      return [...(await wire.bytes(4))].join(".");
    case 4: {
      const hex = (await wire.bytes(16)).toString("hex");
      return new URL(`http://[${hex.match(/.{4}/g)!.join(":")}]`).hostname;
    }
    default:
      return readText(wire);
  }
}

async function readText(wire: WireReader): Promise<string> {
  const [length = 0] = await wire.bytes(1);
  return (await wire.bytes(length)).toString("utf8");
}
