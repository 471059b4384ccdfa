// What an upstream of HTTP/2 may get wrong, frame by frame, and what its client is told: an error, never a whole answer.
import assert from "node:assert/strict";
import { type ClientHttp2Session } from "node:http2";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { answerOf, ask, openHttp2 } from "../support/http2.ts";
import {
  data,
  errorCode,
  fieldBlock,
  type Fields,
  flag,
  frame,
  FrameConnection,
  frameType,
  goaway,
  headers,
  ping,
  preface,
  rstStream,
  setting,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from "../support/http2Frames.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, requestHead, type WireReader } from "../support/wire.ts";

const ok: Fields = [[":status", "200"]];
const head = (stream: number, ...more: Fields) => headers(stream, [...ok, ...more], { endStream: false });
const interim = (stream: number) =>
  headers(
    stream,
    [
      [":status", "103"],
      ["link", "</x>"],
    ],
    { endStream: false },
  );

type Frames = (stream: number) => readonly Buffer[];
type Case = readonly [title: string, frames: Frames];

const continued = (stream: number, fields: Fields): Buffer[] => {
  const block = fieldBlock(fields);
  const pieces: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_384) {
    const isLast = at + 16_384 >= block.length;
    const type = at === 0 ? frameType.headers : frameType.continuation;
    pieces.push(frame(type, isLast ? flag.endHeaders : 0, stream, block.subarray(at, at + 16_384)));
  }
  return pieces;
};

/** None of these is an answer. */
const noAnswers: readonly Case[] = [
  ["DATA before HEADERS (§8.1)", (stream) => [data(stream, "x")]],
  ["DATA on an idle stream (§5.1)", (stream) => [data(stream + 2, "x")]],
  ["DATA on stream 0 (§6.1)", () => [data(0, "x")]],
  ["HEADERS on an idle stream (§5.1.1)", (stream) => [headers(stream + 2, ok)]],
  ["HEADERS on a stream that nobody promised (§5.1.1)", () => [headers(2, ok)]],
  ["HEADERS on stream 0 (§6.2)", () => [headers(0, ok)]],
  ["a frame longer than MAX_FRAME_SIZE (§4.2)", (stream) => [frame(1, 5, stream, Buffer.alloc(16_385))]],
  ["CONTINUATION of nothing (§6.10)", (stream) => [frame(frameType.continuation, 4, stream, fieldBlock(ok))]],
  [
    "PING within a field block (§6.2)",
    (stream) => [frame(frameType.headers, 0, stream, fieldBlock(ok)), ping()],
  ],
  [
    "a field block of an index of no table (§4.3)",
    (stream) => [frame(1, 5, stream, Buffer.from([0xff, 0x7f]))],
  ],
  ["a field block that is cut off (§4.3)", (stream) => [frame(1, 5, stream, fieldBlock(ok).subarray(0, -2))]],
  ["SETTINGS of five bytes (§6.5)", () => [frame(frameType.settings, 0, 0, "12345")]],
  ["SETTINGS on a stream (§6.5)", (stream) => [frame(frameType.settings, 0, stream)]],
  ["SETTINGS with a window of 2^31 (§6.5.2)", () => [settings([setting.initialWindowSize, 2 ** 31])]],
  ["SETTINGS with a MAX_FRAME_SIZE of 1 (§6.5.2)", () => [settings([setting.maxFrameSize, 1])]],
  ["SETTINGS with ENABLE_PUSH (§6.5.2)", () => [settings([setting.enablePush, 1])]],
  [
    "PUSH_PROMISE, which is not wanted (§8.4)",
    (stream) => {
      const promised = fieldBlock([
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", "pushed.example"],
        [":path", "/"],
      ]);
      return [frame(frameType.pushPromise, flag.endHeaders, stream, Buffer.concat([uint32(2), promised]))];
    },
  ],
  ["WINDOW_UPDATE of nothing (§6.9)", () => [windowUpdate(0, 0)]],
  ["WINDOW_UPDATE beyond 2^31-1 (§6.9.1)", () => [windowUpdate(0, 2 ** 31 - 1)]],
  ["RST_STREAM on an idle stream (§6.4)", (stream) => [rstStream(stream + 2, errorCode.cancel)]],
  ["GOAWAY on a stream (§6.8)", (stream) => [frame(frameType.goaway, 0, stream, Buffer.alloc(8))]],
  ["PING of seven bytes (§6.7)", () => [ping("1234567")]],
  ["no :status (§8.3.2)", (stream) => [headers(stream, [["x", "y"]])]],
  ["no field at all (§8.3.2)", (stream) => [headers(stream, [])]],
  ["two :status (§8.3.2)", (stream) => [headers(stream, [...ok, ...ok])]],
  ["a :status that is none (§8.3.2)", (stream) => [headers(stream, [[":status", "2x0"]])]],
  ["a :status behind other fields (§8.3)", (stream) => [headers(stream, [["x", "y"], ...ok])]],
  ["a pseudo field of requests (§8.3)", (stream) => [headers(stream, [...ok, [":path", "/"]])]],
  ["a name in upper case (§8.2)", (stream) => [headers(stream, [...ok, ["X-Upper", "y"]])]],
  ["connection (§8.2.2)", (stream) => [headers(stream, [...ok, ["connection", "close"]])]],
  ["transfer-encoding (§8.2.2)", (stream) => [headers(stream, [...ok, ["transfer-encoding", "chunked"]])]],
  ["101, which HTTP/2 has not (§8.6)", (stream) => [headers(stream, [[":status", "101"]])]],
  ["an interim answer that ends the stream (§8.1)", (stream) => [headers(stream, [[":status", "103"]])]],
  [
    "an interim answer and nothing else",
    (stream) => [interim(stream), rstStream(stream, errorCode.internal)],
  ],
  [
    "a header list of 400 KB (§10.5.1)",
    (stream) =>
      continued(stream, [
        ...ok,
        ...Array.from({ length: 40 }, (_, at) => [`x-${at}`, "y".repeat(10_000)] as const),
      ]),
  ],
  [
    "20,000 fields (§10.5.1)",
    (stream) => continued(stream, [...ok, ...Array.from({ length: 20_000 }, () => ["x", ""] as const)]),
  ],
  ["GOAWAY that leaves the request out (§6.8)", () => [goaway(0, errorCode.none)]],
  ["GOAWAY with an error (§6.8)", () => [goaway(0, errorCode.internal)]],
  ["garbage", () => [Buffer.alloc(100, "garbage")]],
  ["an answer of HTTP/1.1", () => [Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]],
];

/** Each follows the head of an answer and the first half of its body, which nothing completes. */
const brokenBodies: readonly Case[] = [
  ["DATA on stream 0 (§6.1)", () => [data(0, "x")]],
  ["DATA on an idle stream (§5.1)", (stream) => [data(stream + 2, "x")]],
  ["a frame longer than MAX_FRAME_SIZE (§4.2)", (stream) => [data(stream, Buffer.alloc(16_385))]],
  [
    "trailers that do not end the stream (§8.1)",
    (stream) => [headers(stream, [["x", "y"]], { endStream: false })],
  ],
  ["a pseudo field in trailers (§8.1)", (stream) => [headers(stream, ok)]],
  ["invalid SETTINGS (§6.5)", () => [frame(frameType.settings, 0, 0, "12345")]],
  ["PUSH_PROMISE (§8.4)", (stream) => [frame(5, 4, stream, Buffer.concat([uint32(2), fieldBlock([])]))]],
  ["GOAWAY with an error (§6.8)", () => [goaway(0, errorCode.internal)]],
];

describe("an upstream that misuses HTTP/2", () => {
  let fixture: Fixture;
  let raw: RawServer;
  let session: ClientHttp2Session;
  let wire: WireReader;
  let upstream: FrameConnection | undefined;
  let host = "";
  let count = 0;

  before(async () => {
    fixture = await startFixture({
      mappings: ["api.openai.com", "*.raw.example"].map((hostname) => ({
        hostname,
        reference: "op://API Keys/OpenAI/api-key",
      })),
    });
    raw = await RawServer.startTls(fixture.upstreamAuthority, ["*.raw.example"], { ALPNProtocols: ["h2"] });
  });
  after(async () => {
    await fixture.stop();
    await raw.close();
  });
  beforeEach(async () => {
    // An origin of its own for each test: what became of a connection is no matter for the next.
    host = `${++count}.raw.example`;
    fixture.parent.routes.set(`${host}:443`, raw.port);
    session = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
    wire = await fixture.open(`${host}:443`);
  });
  afterEach("another origin is served", async () => {
    session.destroy();
    wire.socket.destroy();
    upstream?.destroy();
    const other = await fixture.open("api.openai.com:443");
    other.send(requestHead("GET /", "Host: api.openai.com"));
    assert.equal((await other.answer()).status, 200);
    other.socket.destroy();
  });

  /** Takes the next connection, up to where the other side speaks. */
  async function meet(): Promise<FrameConnection> {
    upstream = new FrameConnection(await raw.next());
    await upstream.wire.bytes(preface.length);
    return upstream;
  }

  async function accept(): Promise<FrameConnection> {
    const connection = await meet();
    connection.send(settings(), settingsAck);
    return connection;
  }

  /** The stream of the next request. */
  async function nextStream(connection: FrameConnection): Promise<number> {
    return (await connection.until(frameType.headers)).stream;
  }

  function askByHttp1(line = "GET /", ...fields: string[]): void {
    wire.send(requestHead(line, `Host: ${host}`, ...fields));
  }

  for (const [title, frames] of noAnswers) {
    it(`by ${title} gives a client of HTTP/1.1 a 502`, async () => {
      askByHttp1();
      const connection = await accept();
      connection.send(...frames(await nextStream(connection)));
      connection.wire.socket.end();
      assertRefusal(await wire.answer(), 502, "upstream-unreachable");
    });

    it(`by ${title} gives a client of HTTP/2 a 502 or a reset`, async () => {
      const asked = ask(session, {});
      const connection = await accept();
      connection.send(...frames(await nextStream(connection)));
      connection.wire.socket.end();
      const { status, code } = await asked;
      assert.ok(status === 502 || (status === 0 && code !== 0), `${status}, reset with ${code}`);
      assert.ok(!session.destroyed);
    });
  }

  for (let code = 0; code <= 14; code++) {
    it(`that resets a stream with code ${code} is heard by a client of HTTP/2, and never taken for an end (contract 14)`, async () => {
      const asked = ask(session, {});
      const connection = await accept();
      connection.send(rstStream(await nextStream(connection), code));
      const unanswered = await asked;
      // Without an error, and without an answer: there is nothing to pass on but that.
      assert.deepEqual([unanswered.status, unanswered.code], code === errorCode.none ? [502, 0] : [0, code]);
      const within = answerOf(session.request({ ":path": "/within" }));
      const stream = await nextStream(connection);
      connection.send(head(stream, ["content-length", "8"]), data(stream, "half"), rstStream(stream, code));
      const broken = await within;
      assert.deepEqual(
        [broken.status, broken.body, broken.code],
        [200, "half", code === errorCode.none ? errorCode.internal : code],
      );
      askByHttp1();
      connection.send(rstStream(await nextStream(connection), code));
      assertRefusal(await wire.answer(), 502, "upstream-unreachable");
      askByHttp1();
      const last = await nextStream(connection);
      connection.send(head(last, ["content-length", "8"]), data(last, "half"), rstStream(last, code));
      await assert.rejects(wire.answer(), /ended/);
    });
  }

  it("that resets an answer of no known length without an error has ended it, as servers of Node do", async () => {
    const asked = ask(session, {});
    askByHttp1();
    const connection = await accept();
    for (let count = 0; count < 2; count++) {
      const stream = await nextStream(connection);
      connection.send(head(stream), data(stream, "whole"), rstStream(stream, errorCode.none));
    }
    const { status, body, code } = await asked;
    assert.deepEqual([status, body, code], [200, "whole", errorCode.none]);
    assert.equal((await wire.answer()).body, "whole");
  });

  for (const length of [3, 5]) {
    it(`whose answer has not the ${length} bytes of its Content-Length breaks it off (contract 14)`, async () => {
      const asked = ask(session, {});
      askByHttp1();
      const connection = await accept();
      for (let count = 0; count < 2; count++) {
        const stream = await nextStream(connection);
        connection.send(head(stream, ["content-length", String(length)]), data(stream, "ha"));
        connection.send(data(stream, "lf", { endStream: true }));
      }
      const { status, code } = await asked;
      assert.ok(status === 502 || code !== 0, `${status}, reset with ${code}`);
      await assert.rejects(wire.answer(), /ended/);
    });
  }

  for (const [title, frames] of brokenBodies) {
    it(`by ${title} within an answer breaks its body, for clients of both versions (contract 14)`, async () => {
      askByHttp1();
      const connection = await accept();
      const stream = await nextStream(connection);
      const asked = ask(session, {});
      const other = await nextStream(connection);
      connection.send(head(stream), data(stream, "half"), head(other), data(other, "half"));
      await wire.until("half");
      connection.send(...frames(stream), ...frames(other));
      connection.wire.socket.end();
      await assert.rejects(wire.until("0\r\n\r\n"), /ended/);
      const { status, code } = await asked;
      assert.ok(status === 200 && code !== 0, `${status}, reset with ${code}`);
    });
  }

  it("by frames on a stream that is over harms no other (§5.1)", async () => {
    const asked = ask(session, {});
    const connection = await accept();
    const first = await nextStream(connection);
    const other = ask(session, { ":path": "/other" });
    const second = await nextStream(connection);
    connection.send(head(first), data(first, "whole", { endStream: true }));
    assert.equal((await asked).body, "whole");
    connection.send(rstStream(first, errorCode.cancel), windowUpdate(first, 1), data(first, "late"));
    connection.send(head(second), data(second, "other", { endStream: true }));
    const { status, body } = await other;
    assert.ok(status === 502 || (status === 200 && body === "other"), `${status} ${body}`);
  });

  it("passes interim answers over, and trailers on (§8.1)", async () => {
    const asked = ask(session, {});
    askByHttp1();
    const connection = await accept();
    for (let count = 0; count < 2; count++) {
      const stream = await nextStream(connection);
      connection.send(interim(stream), headers(stream, [[":status", "100"]], { endStream: false }));
      connection.send(head(stream), data(stream, "whole"), headers(stream, [["x-after", "kept"]]));
    }
    const { status, body, trailers } = await asked;
    assert.deepEqual([status, body, trailers["x-after"]], [200, "whole", "kept"]);
    assert.equal((await wire.head()).status, 200);
    assert.match(await wire.until("\r\n\r\n"), /whole\r\n0\r\nx-after: kept\r\n\r\n$/);
  });

  it("finishes what a goodbye names, and tells of the rest that it was not touched (§6.8; contract 27)", async () => {
    const first = ask(session, {});
    const connection = await accept();
    const stream = await nextStream(connection);
    const second = ask(session, { ":path": "/second" });
    await nextStream(connection);
    askByHttp1();
    await nextStream(connection);
    connection.send(goaway(stream, errorCode.none));
    const { status, code } = await second;
    assert.deepEqual([status, code], [0, errorCode.refusedStream]);
    assertRefusal(await wire.answer(), 502, "upstream-unreachable");
    const third = ask(session, { ":path": "/third" });
    const next = await accept();
    const fresh = await nextStream(next);
    next.send(head(fresh), data(fresh, "third", { endStream: true }));
    assert.equal((await third).body, "third");
    connection.send(head(stream), data(stream, "first", { endStream: true }));
    assert.equal((await first).body, "first");
    connection.destroy();
  });

  it("that never opens its window holds an upload, and nothing else (contract 14)", async () => {
    const connecting = meet();
    const stalled = session.request({ ":method": "POST", ":path": "/stalled" });
    stalled.on("error", () => undefined);
    stalled.end(Buffer.alloc(1024 * 1024));
    const connection = await connecting;
    connection.send(settings([setting.initialWindowSize, 0]), settingsAck);
    const stream = await nextStream(connection);
    const asked = ask(session, { ":path": "/other" });
    const other = await nextStream(connection);
    connection.send(head(other), data(other, "other", { endStream: true }));
    assert.equal((await asked).body, "other");
    stalled.close(errorCode.cancel);
    const { payload } = await connection.until(frameType.rstStream, stream);
    assert.equal(payload.readUInt32BE(0), errorCode.cancel);
  });

  for (const reset of [false, true]) {
    it(`that ${reset ? "resets" : "ends"} its connection in the middle is no whole answer (contract 14)`, async () => {
      const asked = ask(session, {});
      askByHttp1();
      const unanswered = ask(session, { ":path": "/unanswered" });
      const connection = await accept();
      const streams = [await nextStream(connection), await nextStream(connection)];
      await nextStream(connection);
      streams.forEach((stream) => connection.send(head(stream), data(stream, "half")));
      await wire.until("half");
      if (reset) {
        raw.reset(connection.wire);
      } else {
        connection.wire.socket.end();
      }
      const { status, code } = await asked;
      assert.ok([200, 0, 502].includes(status));
      assert.ok(status === 502 || code !== 0, `${status}, reset with ${code}`);
      await assert.rejects(wire.until("0\r\n\r\n"), /ended/);
      assert.equal((await unanswered).headers["x-onecli-error"], "upstream-unreachable");
    });
  }

  it("that greets with a goodbye is asked again, and not for ever (§6.8)", async () => {
    const greeter = await RawServer.startTls(fixture.upstreamAuthority, ["*.raw.example"], {
      ALPNProtocols: ["h2"],
    });
    fixture.parent.routes.set(`${host}:443`, greeter.port);
    const asked = Promise.all([ask(session, {}), ask(session, {}), ask(session, {})]);
    const greet = async (): Promise<never> => {
      for (;;) {
        const { socket } = await greeter.next();
        socket.on("error", () => undefined);
        socket.end(Buffer.concat([settings(), goaway(0, errorCode.none)]));
      }
    };
    for (const { status, code } of await Promise.race([asked, greet()])) {
      assert.ok(status === 502 || code === errorCode.refusedStream, `${status}, reset with ${code}`);
    }
    assert.ok(greeter.connections <= 4, `${greeter.connections} connections`);
    await greeter.close();
  });

  it("waits for an upstream that allows no stream at first (§5.1.2)", async () => {
    const asked = ask(session, {});
    const connection = await meet();
    connection.send(settings([setting.maxConcurrentStreams, 0]));
    await connection.until(frameType.settings, 0, flag.ack);
    connection.send(settings([setting.maxConcurrentStreams, 1]));
    const stream = await nextStream(connection);
    connection.send(head(stream), data(stream, "whole", { endStream: true }));
    assert.equal((await asked).body, "whole");
  });
});

describe("an upstream of HTTP/2 that takes no request", () => {
  const host = "1.raw.example";
  let fixture: Fixture;
  let raw: RawServer;
  let wire: WireReader;
  before(async () => {
    fixture = await startFixture({
      mappings: [{ hostname: host, reference: "op://API Keys/OpenAI/api-key" }],
      limits: { connect: 300 },
    });
    raw = await RawServer.startTls(fixture.upstreamAuthority, [host], { ALPNProtocols: ["h2"] });
    fixture.parent.routes.set(`${host}:443`, raw.port);
  });
  after(async () => {
    await fixture.stop();
    await raw.close();
  });
  beforeEach(async () => {
    wire = await fixture.open(`${host}:443`);
  });
  afterEach(() => wire.socket.destroy());

  for (const [what, bytes] of [
    ["says nothing", Buffer.alloc(0)],
    ["allows no stream", settings([setting.maxConcurrentStreams, 0])],
    ["begins a frame that it never ends", settings().subarray(0, 5)],
  ] as const) {
    it(`because it ${what} is given up in its time, with one connection (contract 29)`, async () => {
      const before = raw.connections;
      wire.send(requestHead("GET /", `Host: ${host}`));
      const connection = await raw.next();
      connection.socket.write(bytes);
      assertRefusal(await wire.answer(), 504, "upstream-timeout");
      await connection.closed();
      assert.equal(raw.connections, before + 1);
    });
  }
});
