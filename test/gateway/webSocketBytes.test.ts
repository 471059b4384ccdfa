// What Autobahn's suite sends, through the gateway: once a WebSocket is open nothing of it is looked at, so whatever one
// end sends, right or wrong, is what the other end gets. Over HTTP/1.1 and HTTP/2 (RFC 8441) on either side.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientHttp2Session } from "node:http2";
import { type Duplex } from "node:stream";
import { type RawData, type WebSocket } from "ws";
import { acceptOf } from "../../src/gateway/webSockets.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { echoServer, handshakeOf, openWebSocket } from "../support/webSocket.ts";
import { requestHead, type WireReader } from "../support/wire.ts";

const echoHost = "api.openai.com";
const h1Host = "raw.example.com";
const h2Host = "h2.example.com";
const megabyte = 1024 * 1024;

const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface FrameOptions {
  readonly fin?: boolean;
  /** RSV1 to RSV3 as bits 4, 2, 1. */
  readonly reserved?: number;
  readonly mask?: Buffer;
}

/** A frame of a client (RFC 6455 §5.2), or of a server where there is no mask. */
function frame(
  code: number,
  payload: Buffer | string,
  { fin = true, reserved = 0, mask }: FrameOptions = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const length = bytes.length < 126 ? bytes.length : bytes.length < 65_536 ? 126 : 127;
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | code, (mask === undefined ? 0 : 0x80) | length];
  const extended = Buffer.alloc(length === 127 ? 8 : length === 126 ? 2 : 0);
  if (length === 127) {
    extended.writeBigUInt64BE(BigInt(bytes.length));
  } else if (length === 126) {
    extended.writeUInt16BE(bytes.length);
  }
  const masked = mask === undefined ? bytes : Buffer.from(bytes.map((byte, at) => byte ^ mask[at % 4]!));
  return Buffer.concat([Buffer.from(head), extended, mask ?? Buffer.alloc(0), masked]);
}

const closePayload = (code: number, reason: Buffer | string = "") => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(code);
  return Buffer.concat([bytes, Buffer.from(reason as string)]);
};

const lengths = [0, 1, 125, 126, 127, 128, 65_535, 65_536];
const greek = Buffer.from("κόσμε🔑", "utf8");
const notUtf8 = ["c3 28", "ce ba e1 bd b9 cf 83 ed a0 80 65", "f4 90 80 80", "fe", "c0 af"].map((hex) =>
  Buffer.from(hex.replaceAll(" ", ""), "hex"),
);

type Frames = (mask: Buffer | undefined) => readonly Buffer[];

/** By the numbers of Autobahn's chapters. */
const chapters: readonly (readonly [title: string, frames: Frames])[] = [
  [
    "1: texts and binaries of every length's form",
    (mask) =>
      lengths.flatMap((length) => [
        frame(opcode.text, "*".repeat(length), { ...(mask && { mask }) }),
        frame(opcode.binary, Buffer.alloc(length, 0xfe), { ...(mask && { mask }) }),
      ]),
  ],
  [
    "2: pings and pongs, asked for or not, too long or not",
    (mask) =>
      [opcode.ping, opcode.pong].flatMap((code) =>
        ["", "ping", Buffer.alloc(125, 0xff), Buffer.alloc(126)].map((payload) =>
          frame(code, payload, { ...(mask && { mask }) }),
        ),
      ),
  ],
  [
    "3: reserved bits",
    (mask) =>
      [1, 2, 3, 4, 5, 6, 7].map((reserved) => frame(opcode.text, "x", { reserved, ...(mask && { mask }) })),
  ],
  [
    "4: opcodes that mean nothing",
    (mask) => [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((code) => frame(code, "x", { ...(mask && { mask }) })),
  ],
  [
    "5: fragments, with pings in between, and some of nothing",
    (mask) => {
      const more = { ...(mask && { mask }) };
      return [
        frame(opcode.text, "first ", { fin: false, ...more }),
        frame(opcode.ping, "between", more),
        frame(opcode.continuation, "second ", { fin: false, ...more }),
        frame(opcode.pong, "", more),
        frame(opcode.continuation, "", { fin: false, ...more }),
        frame(opcode.continuation, "last", more),
        frame(opcode.continuation, "of nothing", more),
        frame(opcode.text, "a", { fin: false, ...more }),
        frame(opcode.text, "another one's start", more),
        frame(opcode.ping, "fragment", { fin: false, ...more }),
      ];
    },
  ],
  [
    "6: UTF-8, split within its characters, and what is none",
    (mask) => {
      const more = { ...(mask && { mask }) };
      const pieces = [...greek].map((byte, at) =>
        frame(at === 0 ? opcode.text : opcode.continuation, Buffer.from([byte]), {
          fin: at === greek.length - 1,
          ...more,
        }),
      );
      return [
        frame(opcode.text, greek, more),
        ...pieces,
        ...notUtf8.map((bytes) => frame(opcode.text, bytes, more)),
      ];
    },
  ],
  [
    "7: closes with every code, and what comes after them",
    (mask) => {
      const more = { ...(mask && { mask }) };
      const codes = [
        0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999,
        5000, 65_535,
      ];
      return [
        frame(opcode.close, "", more),
        frame(opcode.close, "x", more),
        ...codes.map((code) => frame(opcode.close, closePayload(code, "reason"), more)),
        frame(opcode.close, closePayload(1000, notUtf8[0]), more),
        frame(opcode.close, closePayload(1000, "y".repeat(123)), more),
        frame(opcode.text, "after the close", more),
      ];
    },
  ],
];

describe("bytes of a WebSocket", () => {
  let fixture: Fixture;
  let raw: RawServer;
  let h2: Http2UpstreamServer;
  const open: End[] = [];
  const sessions: ClientHttp2Session[] = [];

  before(async () => {
    fixture = await startFixture({
      mappings: [echoHost, h1Host, h2Host].map((hostname) => ({
        hostname,
        reference: "op://API Keys/OpenAI/api-key",
      })),
    });
    raw = await RawServer.startTls(fixture.upstreamAuthority, [h1Host], { ALPNProtocols: ["http/1.1"] });
    h2 = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host], {
      enableConnectProtocol: true,
      initialWindowSize: megabyte,
    });
    fixture.parent.routes.set(`${h1Host}:443`, raw.port);
    fixture.parent.routes.set(`${h2Host}:443`, h2.port);
    const echo = echoServer({ maxPayload: 64 * megabyte });
    fixture.upstream.onUpgrade = (request, socket, head) => {
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    };
  });
  after(async () => {
    await fixture.stop();
    await Promise.all([raw.close(), h2.close()]);
  });
  afterEach(() => {
    open.splice(0).forEach(({ stream }) => stream.destroy());
    sessions.splice(0).forEach((session) => session.destroy());
  });

  /** Reads on where the WireReader has taken a head. */
  async function bytesOf(wire: WireReader): Promise<End> {
    const early = await wire.bytes(wire.buffered);
    wire.socket.removeAllListeners("data");
    return new End(wire.socket, early);
  }

  async function openAbove(host: string): Promise<End> {
    if (host === h2Host) {
      return new Promise((resolve) => {
        h2.handler = ({ stream }) => {
          stream.respond({ ":status": 200 });
          resolve(new End(stream));
        };
      });
    }
    const wire = await raw.next();
    const { headers } = await wire.head();
    const key = headers["sec-websocket-key"] ?? "";
    wire.send(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    );
    return bytesOf(wire);
  }

  async function openBelow(version: string, host: string): Promise<End> {
    if (version === "h2") {
      const session = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
      sessions.push(session);
      const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/" });
      stream.on("error", () => undefined);
      const [{ ":status": status }] = (await once(stream, "response")) as [{ ":status": number }];
      assert.equal(status, 200);
      return new End(stream);
    }
    const wire = await fixture.open(`${host}:443`);
    wire.send(
      requestHead(
        "GET /",
        `Host: ${host}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ),
    );
    assert.equal((await wire.head()).status, 101);
    return bytesOf(wire);
  }

  for (const version of ["http/1.1", "h2"]) {
    for (const host of [h1Host, h2Host]) {
      describe(`from a client of ${version} to ${host}`, () => {
        let client: End;
        let upstream: End;
        beforeEach(async () => {
          [upstream, client] = await Promise.all([openAbove(host), openBelow(version, host)]);
          open.push(client, upstream);
        });

        for (const [title, frames] of chapters) {
          it(`are left as they are: ${title}`, async () => {
            const up = Buffer.concat([
              ...frames(randomBytes(4)),
              ...frames(Buffer.alloc(4)),
              ...frames(undefined),
            ]);
            const down = Buffer.concat(frames(undefined));
            client.stream.write(up);
            upstream.stream.write(down);
            const [above, below] = await Promise.all([upstream.take(up.length), client.take(down.length)]);
            assert.ok(above.equals(up));
            assert.ok(below.equals(down));
          });
        }

        it("are left as they are when they come one by one", async () => {
          const bytes = Buffer.concat(chapters.flatMap(([, frames]) => frames(randomBytes(4)))).subarray(
            0,
            2000,
          );
          const arrived = Promise.all([upstream.take(bytes.length), client.take(bytes.length)]);
          for (const byte of bytes) {
            client.stream.write(Buffer.from([byte]));
            upstream.stream.write(Buffer.from([byte]));
            await new Promise(setImmediate);
          }
          const [above, below] = await arrived;
          assert.ok(above.equals(bytes));
          assert.ok(below.equals(bytes));
        });

        it("are left as they are in a message of 16 MB, whole and in fragments, both ways at once (9)", async () => {
          const body = randomBytes(16 * megabyte);
          const pieces = Array.from({ length: 256 }, (_, at) =>
            frame(
              at === 0 ? opcode.binary : opcode.continuation,
              body.subarray(at * 65_536, (at + 1) * 65_536),
              {
                fin: at === 255,
              },
            ),
          );
          const bytes = Buffer.concat([frame(opcode.binary, body), ...pieces]);
          const arrived = Promise.all([upstream.take(bytes.length), client.take(bytes.length)]);
          client.stream.write(bytes);
          upstream.stream.write(bytes);
          const [above, below] = await arrived;
          assert.ok(above.equals(bytes));
          assert.ok(below.equals(bytes));
        }).timeout(60_000);

        it("go on one way when the other is ended, whichever end is first", async () => {
          client.stream.end("from below");
          assert.equal((await upstream.rest()).toString(), "from below");
          upstream.stream.write("still ");
          assert.equal((await client.take(6)).toString(), "still ");
          upstream.stream.end("from above");
          assert.equal((await client.rest()).toString(), "from above");
        });

        it("go on the other way when the upstream's is ended", async () => {
          upstream.stream.end("from above");
          assert.equal((await client.rest()).toString(), "from above");
          client.stream.write("still ");
          assert.equal((await upstream.take(6)).toString(), "still ");
          client.stream.end("from below");
          assert.equal((await upstream.rest()).toString(), "from below");
        });

        it("end at both ends when one is cut off", async () => {
          client.stream.destroy();
          sessions.forEach((session) => session.destroy());
          await upstream.rest();
        });
      });
    }
  }

  describe("of two ends that are `ws`", () => {
    let socket: WebSocket;
    beforeEach(async () => {
      ({ socket } = await openWebSocket(fixture.endpoint, echoHost, { ca: fixture.pems.certificate }));
      await handshakeOf(socket);
    });
    afterEach(() => socket.terminate());

    async function echoed(): Promise<[data: Buffer, isBinary: boolean]> {
      const [data, isBinary] = (await once(socket, "message")) as [RawData, boolean];
      return [data as Buffer, isBinary];
    }

    it("are messages of every length's form, in order", async () => {
      const messages = [...lengths, 16 * megabyte].flatMap((length) => [
        "*".repeat(length),
        randomBytes(length),
      ]);
      for (const message of messages) {
        const answer = echoed();
        socket.send(message);
        const [data, isBinary] = await answer;
        assert.equal(isBinary, typeof message !== "string");
        assert.ok(data.equals(Buffer.from(message as string)));
      }
    });

    it("are a message of fragments with a ping between them", async () => {
      const answer = echoed();
      const pong = once(socket, "pong");
      socket.send(greek.subarray(0, 3), { fin: false, binary: false });
      socket.ping("between");
      socket.send(greek.subarray(3), { fin: true, binary: false });
      assert.equal(((await pong) as [Buffer])[0].toString(), "between");
      const [data, isBinary] = await answer;
      assert.deepEqual([data.toString(), isBinary], [greek.toString(), false]);
    });

    for (const code of [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999]) {
      it(`are a close with ${code}, and its answer`, async () => {
        const closed = once(socket, "close");
        socket.close(code, "reason");
        const [answered] = (await closed) as [number];
        assert.equal(answered, code);
      });
    }
  });
});

/** One end of a WebSocket, and the bytes that have come out of it. */
class End {
  readonly stream: Duplex;
  #chunks: Buffer[];
  #length: number;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex, early: Buffer = Buffer.alloc(0)) {
    this.stream = stream;
    this.#chunks = [early];
    this.#length = early.length;
    stream.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake?.();
    });
    const finish = () => {
      this.#ended = true;
      this.#wake?.();
    };
    stream.on("end", finish).on("close", finish).on("error", finish);
  }

  /** Exactly so many bytes; what follows them stays. */
  async take(count: number): Promise<Buffer> {
    while (this.#length < count) {
      assert.ok(!this.#ended, `ended after ${this.#length} bytes of ${count}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#length -= count;
    return all.subarray(0, count);
  }

  /** All that comes before its end. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.take(this.#length);
  }
}
