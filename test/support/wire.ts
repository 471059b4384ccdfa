// An HTTP/1.1 client that sends exactly the bytes it is given and shows exactly those that come back.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { throughProxyTls } from "./proxyTls.ts";
import { type ErrorCode } from "../../src/core/errors.ts";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";

export interface WireAnswer {
  readonly status: number;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
  /** Last value per name, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The bytes of a request's head; `fields` are whole lines without their end. */
export function requestHead(line: string, ...fields: readonly string[]): string {
  return [`${line} HTTP/1.1`, ...fields, "", ""].join("\r\n");
}

const retryable: readonly ErrorCode[] = [
  "onepassword-rate-limited",
  "onepassword-unreachable",
  "upstream-unreachable",
  "upstream-timeout",
  "gateway-stopping",
];

/** Holds an answer against the form that every refusal of the gateway has; returns the message of its body. */
export function assertRefusal(answer: WireAnswer, status: number, code: ErrorCode): string {
  assert.deepEqual([answer.status, answer.headers["x-onecli-error"]], [status, code], answer.body);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["x-should-retry"], String(retryable.includes(code)));
  if (status === 503) {
    assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
  }
  const { error } = JSON.parse(answer.body) as {
    error: { type: string; code: string; message: string; hint: string; docs: string };
  };
  assert.deepEqual([error.type, error.code], ["onecli_error", code]);
  assert.ok(error.message.includes(code) && error.message.includes(error.hint));
  assert.ok(error.docs.endsWith(`#${code}`));
  return error.message;
}

export function basicAuthorization({ username, password }: GatewayEndpoint): string {
  return `Proxy-Authorization: Basic ${Buffer.from(`${username}:${password}`).toString("base64")}\r\n`;
}

/** Reads answers from a socket one after the other. */
export class WireReader {
  readonly socket: Socket;
  /** The connection below it, where TLS is spoken on that; the same otherwise. */
  readonly tcp: Socket;
  #buffer = Buffer.alloc(0);
  #ended = false;
  #failed: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, tcp = socket) {
    this.socket = socket;
    this.tcp = tcp;
    socket.on("data", (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake?.();
    });
    const finish = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("end", finish);
    socket.on("close", finish);
    socket.on("error", (error) => {
      this.#failed = error;
      finish();
    });
  }

  /** Bytes that have come and were not read yet. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Writes text as Latin-1: one character, one byte. */
  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  /** Bytes up to and with `end`. */
  async until(end: string): Promise<string> {
    for (;;) {
      const index = this.#buffer.indexOf(end);
      if (index !== -1) {
        return this.#take(index + end.length).toString("latin1");
      }
      await this.#more(`before ${JSON.stringify(end)}`);
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) {
      await this.#more(`before ${count} bytes`);
    }
    return this.#take(count);
  }

  /** Everything until the other side ends. */
  async rest(): Promise<string> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#take(this.#buffer.length).toString("latin1");
  }

  /** Fulfilled when the other side has ended or reset the connection. */
  async closed(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async head(): Promise<Omit<WireAnswer, "body">> {
    const text = await this.until("\r\n\r\n");
    const [statusLine = "", ...lines] = text.trimEnd().split("\r\n");
    const [, status = "0", reason = ""] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(statusLine) ?? [];
    const rawHeaders = lines.flatMap((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const headers: Record<string, string> = {};
    for (let index = 0; index < rawHeaders.length; index += 2) {
      headers[rawHeaders[index]!.toLowerCase()] = rawHeaders[index + 1]!;
    }
    return { status: Number(status), reason, rawHeaders, headers };
  }

  /** A whole answer; `bodiless` where none follows whatever the head says (HEAD, 304). */
  async answer({ bodiless = false } = {}): Promise<WireAnswer> {
    const head = await this.head();
    return { ...head, body: bodiless ? "" : await this.#body(head.headers) };
  }

  async #body(headers: Readonly<Record<string, string>>): Promise<string> {
    if (headers["transfer-encoding"] === "chunked") {
      let body = "";
      for (;;) {
        const size = Number.parseInt(await this.until("\r\n"), 16);
        if (size === 0) {
          await this.until("\r\n");
          return body;
        }
        body += (await this.bytes(size)).toString("latin1");
        await this.until("\r\n");
      }
    }
    const length = headers["content-length"];
    return length === undefined ? await this.rest() : (await this.bytes(Number(length))).toString("latin1");
  }

  #take(count: number): Buffer {
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  async #more(what: string): Promise<void> {
    if (this.#ended) {
      const got = this.#buffer.toString("latin1");
      throw new Error(`the connection ended ${what}; left over: ${JSON.stringify(got)}`, {
        cause: this.#failed,
      });
    }
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** A connection to the gateway's listener, with TLS where that has it. */
export async function openConnection(endpoint: GatewayEndpoint): Promise<WireReader> {
  const socket = connect({ port: endpoint.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return new WireReader(await throughProxyTls(socket), socket);
}

/** Sends a CONNECT and returns its answer with the connection. */
export async function connectTo(
  endpoint: GatewayEndpoint,
  target: string,
  headers = basicAuthorization(endpoint),
): Promise<{ wire: WireReader; answer: Omit<WireAnswer, "body"> }> {
  const wire = await openConnection(endpoint);
  wire.socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${headers}\r\n`, "latin1");
  return { wire, answer: await wire.head() };
}

export interface TlsOptions {
  /** PEM: all that is trusted. */
  readonly ca: string;
  readonly servername?: string;
  /** The one that is offered. */
  readonly protocol?: "http/1.1" | "h2";
  /** The only ones that are offered, by OpenSSL's names; without it all that Node offers. */
  readonly keyExchanges?: string;
}

/** CONNECT, then TLS that trusts `ca`: what agents do. */
export async function openTlsSocket(
  endpoint: GatewayEndpoint,
  target: string,
  { ca, servername, protocol = "http/1.1", keyExchanges }: TlsOptions,
): Promise<TLSSocket> {
  const { wire, answer } = await connectTo(endpoint, target);
  if (answer.status !== 200) {
    throw new Error(`CONNECT was answered ${answer.status}`);
  }
  wire.socket.removeAllListeners("data");
  const host = target.slice(0, target.lastIndexOf(":"));
  const socket = connectTls({
    socket: wire.socket,
    ca,
    ...(/^[\d.]+$|^\[/.test(host)
      ? { host: host.replace(/^\[|\]$/g, "") }
      : { servername: servername ?? host.toLowerCase().replace(/\.$/, "") }),
    ALPNProtocols: [protocol],
    ecdhCurve: keyExchanges,
  });
  await once(socket, "secureConnect");
  return socket;
}

/** {@link openTlsSocket}, to write and read bytes by. */
export async function openTls(
  endpoint: GatewayEndpoint,
  target: string,
  options: TlsOptions,
): Promise<WireReader & { readonly socket: TLSSocket }> {
  const socket = await openTlsSocket(endpoint, target, options);
  return new WireReader(socket) as WireReader & { readonly socket: TLSSocket };
}
