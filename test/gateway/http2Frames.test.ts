// What a client of HTTP/2 may get wrong, frame by frame; and floods of what it may do once.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type ClientHttp2Session } from "node:http2";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
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
  type Outcome,
  ping,
  preface,
  requestFields,
  rstStream,
  setting,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from "../support/http2Frames.ts";
import { openTls } from "../support/wire.ts";

const host = "api.openai.com";
const h2Host = "h2.example.com";
const get = requestFields(host);
const post = requestFields(host, { method: "POST" });

type Code = keyof typeof errorCode;

/** A GOAWAY with one of the codes, and the end. */
function connectionError(...codes: Code[]) {
  return (outcome: Outcome) => {
    const isOne = outcome.kind === "goaway" && codes.some((code) => errorCode[code] === outcome.code);
    assert.ok(isOne, JSON.stringify(outcome));
  };
}

/** A reset of the stream with one of the codes; an error of the connection is a stricter one (RFC 9113 §5.4). */
function streamError(...codes: Code[]) {
  return (outcome: Outcome) => {
    assert.ok(outcome.kind === "reset" || outcome.kind === "goaway", JSON.stringify(outcome));
    assert.ok(
      codes.some((code) => errorCode[code] === outcome.code),
      JSON.stringify(outcome),
    );
  };
}

/** What is not a request at all: a stream error, or an answer that says so (RFC 9113 §8.1.1). */
function malformed(outcome: Outcome) {
  if (outcome.kind === "answer") {
    assert.equal(outcome.status, 400);
  } else {
    streamError("protocol")(outcome);
  }
}

function answered(status: number) {
  return (outcome: Outcome) =>
    assert.deepEqual([outcome.kind, "status" in outcome && outcome.status], ["answer", status]);
}

const without = (name: string): Fields => get.filter(([field]) => field !== name);
const replaced = (name: string, value: string): Fields =>
  get.map(([field, before]) => [field, field === name ? value : before]);

/** A POST whose body is still to come. */
const openPost = headers(1, post, { endStream: false });

type Case = readonly [title: string, frames: readonly Buffer[], expected: (outcome: Outcome) => void];

const protocolError = connectionError("protocol");
const frameSizeError = connectionError("frameSize");

const broken: readonly Case[] = [
  ["§4.2 a frame longer than MAX_FRAME_SIZE", [openPost, data(1, Buffer.alloc(16_385))], frameSizeError],
  ["§4.2 a field block longer than MAX_FRAME_SIZE", [frame(1, 5, 1, Buffer.alloc(16_385))], frameSizeError],
  [
    "§4.3 a field block that names an index of no table",
    [frame(1, 5, 1, Buffer.from([0xff, 0x7f]))],
    connectionError("compression"),
  ],
  [
    "§4.3 a field block that ends within a field",
    [frame(1, 5, 1, fieldBlock(get).subarray(0, -2))],
    connectionError("compression"),
  ],
  [
    "§4.3 a field block with padding of Huffman that is none",
    [frame(1, 5, 1, Buffer.from([0x00, 0x81, 0x00, 0x00]))],
    connectionError("compression"),
  ],
  [
    "RFC 7541 §4.2 a table larger than allowed",
    [frame(1, 5, 1, Buffer.concat([Buffer.from([0x3f, 0xff, 0xff, 0x7f]), fieldBlock(get)]))],
    connectionError("compression"),
  ],
  ["§5.1 DATA on an idle stream", [data(1, "x")], protocolError],
  ["§5.1 WINDOW_UPDATE on an idle stream", [windowUpdate(1, 1)], protocolError],
  [
    "§5.1 CONTINUATION on an idle stream",
    [frame(frameType.continuation, flag.endHeaders, 1, fieldBlock(get))],
    protocolError,
  ],
  ["§5.1 RST_STREAM on an idle stream", [rstStream(1, errorCode.cancel)], protocolError],
  ["§5.1.1 a stream with an even number", [headers(2, get)], protocolError],
  ["§5.1.1 a stream with the number 0", [headers(0, get)], protocolError],
  ["§6.1 DATA on stream 0", [data(0, "x")], protocolError],
  [
    "§6.1 DATA with padding as long as itself",
    [openPost, frame(frameType.data, flag.padded, 1, Buffer.from([5, 0, 0, 0, 0]))],
    protocolError,
  ],
  [
    "§6.1 DATA that is said to be padded, and empty",
    [openPost, frame(frameType.data, flag.padded, 1)],
    connectionError("protocol", "frameSize"),
  ],
  [
    "§6.2 HEADERS with padding longer than itself",
    [
      frame(
        frameType.headers,
        flag.padded | flag.endHeaders,
        1,
        Buffer.concat([Buffer.from([200]), fieldBlock(get)]),
      ),
    ],
    protocolError,
  ],
  [
    "§6.2 HEADERS whose priority is cut off",
    [frame(frameType.headers, flag.priority | flag.endHeaders, 1, Buffer.from([0, 0]))],
    frameSizeError,
  ],
  [
    "§6.2 another frame within a field block",
    [frame(frameType.headers, 0, 1, fieldBlock(get)), ping()],
    protocolError,
  ],
  [
    "§6.2 HEADERS of another stream within a field block",
    [frame(frameType.headers, 0, 1, fieldBlock(get)), headers(3, get)],
    protocolError,
  ],
  [
    "§6.2 a frame of an unknown type within a field block",
    [frame(frameType.headers, 0, 1, fieldBlock(get)), frame(0xfe, 0, 1, "x")],
    protocolError,
  ],
  [
    "§6.3 PRIORITY of four bytes",
    [openPost, frame(frameType.priority, 0, 1, Buffer.alloc(4))],
    streamError("frameSize"),
  ],
  ["§6.4 RST_STREAM on stream 0", [rstStream(0, errorCode.cancel)], protocolError],
  ["§6.4 RST_STREAM of three bytes", [openPost, frame(frameType.rstStream, 0, 1, "abc")], frameSizeError],
  ["§6.5 SETTINGS on a stream", [frame(frameType.settings, 0, 1)], protocolError],
  [
    "§6.5 an acknowledgement with a payload",
    [frame(frameType.settings, flag.ack, 0, Buffer.alloc(6))],
    frameSizeError,
  ],
  ["§6.5 SETTINGS of seven bytes", [frame(frameType.settings, 0, 0, Buffer.alloc(7))], frameSizeError],
  ["§6.5.2 ENABLE_PUSH of 2", [settings([setting.enablePush, 2])], protocolError],
  [
    "§6.5.2 a window of 2^31",
    [settings([setting.initialWindowSize, 2 ** 31])],
    connectionError("flowControl"),
  ],
  ["§6.5.2 a MAX_FRAME_SIZE below 2^14", [settings([setting.maxFrameSize, 16_383])], protocolError],
  ["§6.5.2 a MAX_FRAME_SIZE of 2^24", [settings([setting.maxFrameSize, 2 ** 24])], protocolError],
  [
    "§6.6 PUSH_PROMISE of a client",
    [openPost, frame(frameType.pushPromise, flag.endHeaders, 1, Buffer.concat([uint32(2), fieldBlock(get)]))],
    protocolError,
  ],
  ["§6.7 PING on a stream", [frame(frameType.ping, 0, 1, "12345678")], protocolError],
  ["§6.7 PING of seven bytes", [ping("1234567")], frameSizeError],
  // Node's own rule: RFC 9113 says nothing of it.
  ["§6.5 an acknowledgement of nothing", [settingsAck, settingsAck], protocolError],
  [
    "§6.7 an answer to no PING",
    [frame(frameType.ping, flag.ack, 0, "12345678")],
    connectionError("protocol", "internal"),
  ],
  ["§6.8 GOAWAY on a stream", [frame(frameType.goaway, 0, 1, Buffer.alloc(8))], protocolError],
  ["§6.8 GOAWAY of seven bytes", [frame(frameType.goaway, 0, 0, Buffer.alloc(7))], frameSizeError],
  ["§6.9 WINDOW_UPDATE of 0 for the connection", [windowUpdate(0, 0)], protocolError],
  ["§6.9 WINDOW_UPDATE of 0 for a stream", [openPost, windowUpdate(1, 0)], streamError("protocol")],
  ["§6.9 WINDOW_UPDATE of three bytes", [frame(frameType.windowUpdate, 0, 0, "abc")], frameSizeError],
  [
    "§6.9.1 a connection's window beyond 2^31-1",
    [windowUpdate(0, 2 ** 31 - 1)],
    connectionError("flowControl"),
  ],
  [
    "§6.9.1 a stream's window beyond 2^31-1",
    [openPost, windowUpdate(1, 2 ** 31 - 1)],
    streamError("flowControl"),
  ],
  [
    "§6.9.2 settings that take a stream's window beyond 2^31-1",
    [openPost, windowUpdate(1, 2 ** 31 - 1 - 65_535), settings([setting.initialWindowSize, 65_536])],
    connectionError("flowControl"),
  ],
  [
    "§6.10 CONTINUATION after a field block's end",
    [openPost, frame(frameType.continuation, flag.endHeaders, 1, fieldBlock([["x", "y"]]))],
    protocolError,
  ],
  [
    "§6.10 CONTINUATION on stream 0",
    [frame(frameType.headers, 0, 1, fieldBlock(get)), frame(frameType.continuation, flag.endHeaders, 0)],
    protocolError,
  ],
  [
    "§6.10 CONTINUATION of another stream",
    [frame(frameType.headers, 0, 1, fieldBlock(get)), frame(frameType.continuation, flag.endHeaders, 3)],
    protocolError,
  ],

  [
    "§8.1 trailers that do not end the stream",
    [openPost, headers(1, [["x", "y"]], { endStream: false })],
    malformed,
  ],
  ["§8.1 a pseudo field in trailers", [openPost, headers(1, [[":path", "/other"]])], malformed],
  [
    "§8.1.1 an end before the Content-Length",
    [
      headers(1, [...post, ["content-length", "5"]], { endStream: false }),
      data(1, "abc", { endStream: true }),
    ],
    malformed,
  ],
  [
    "§8.1.1 an end without the body that Content-Length announces",
    [headers(1, [...post, ["content-length", "5"]])],
    malformed,
  ],
  [
    "§8.1.1 more than Content-Length, in one frame",
    [headers(1, [...post, ["content-length", "2"]], { endStream: false }), data(1, "abc")],
    connectionError("protocol", "internal"),
  ],
  [
    "§8.1.1 more than Content-Length, in several",
    [
      headers(1, [...post, ["content-length", "2"]], { endStream: false }),
      data(1, "ab"),
      data(1, "c", { endStream: true }),
    ],
    connectionError("protocol", "internal"),
  ],
  [
    "§8.1.1 two Content-Length that differ",
    [
      headers(1, [...post, ["content-length", "2"], ["content-length", "3"]], { endStream: false }),
      data(1, "ab", { endStream: true }),
    ],
    malformed,
  ],
  [
    "§8.1.1 a Content-Length that is none",
    [
      headers(1, [...post, ["content-length", "+2"]], { endStream: false }),
      data(1, "ab", { endStream: true }),
    ],
    malformed,
  ],
  ["§8.2 a name in upper case", [headers(1, [...get, ["X-Upper", "y"]])], malformed],
  ["§8.2.2 connection", [headers(1, [...get, ["connection", "close"]])], malformed],
  ["§8.2.2 keep-alive", [headers(1, [...get, ["keep-alive", "timeout=1"]])], malformed],
  ["§8.2.2 proxy-connection", [headers(1, [...get, ["proxy-connection", "keep-alive"]])], malformed],
  ["§8.2.2 transfer-encoding", [headers(1, [...get, ["transfer-encoding", "chunked"]])], malformed],
  ["§8.2.2 upgrade", [headers(1, [...get, ["upgrade", "websocket"]])], malformed],
  ["§8.2.2 te: gzip", [headers(1, [...get, ["te", "gzip"]])], malformed],
  ["§8.2.2 te: trailers, gzip", [headers(1, [...get, ["te", "trailers, gzip"]])], malformed],
  [
    "§8.3 a pseudo field behind others",
    [headers(1, [...without(":path"), ["x", "y"], [":path", "/"]])],
    malformed,
  ],
  ["§8.3 an unknown pseudo field", [headers(1, [...get, [":proxy", "y"]])], malformed],
  ["§8.3 a pseudo field of answers", [headers(1, [...get, [":status", "200"]])], malformed],
  ["§8.3.1 no :method", [headers(1, without(":method"))], malformed],
  ["§8.3.1 no :scheme", [headers(1, without(":scheme"))], malformed],
  ["§8.3.1 no :path", [headers(1, without(":path"))], malformed],
  ["§8.3.1 neither :authority nor Host", [headers(1, without(":authority"))], malformed],
  ["§8.3.1 an empty :path", [headers(1, replaced(":path", ""))], malformed],
  ["§8.3.1 a :path that is none", [headers(1, replaced(":path", "x"))], malformed],
  ["§8.3.1 a blank in :path", [headers(1, replaced(":path", "/a b"))], malformed],
  ["§8.3.1 a line break in :path", [headers(1, replaced(":path", "/ HTTP/1.1\r\nX: y"))], malformed],
  ["§8.3.1 an empty :method", [headers(1, replaced(":method", ""))], malformed],
  ["§8.3.1 a blank in :method", [headers(1, replaced(":method", "GET /x"))], malformed],
  ["§8.3.1 an empty :authority", [headers(1, replaced(":authority", ""))], malformed],
  ...[":method", ":scheme", ":authority", ":path"].map((name): Case => [
    `§8.3.1 two ${name}`,
    [headers(1, [get.find(([field]) => field === name)!, ...get])],
    malformed,
  ]),
  [
    "§8.3.1 a user in :authority",
    [headers(1, replaced(":authority", `user@${host}`))],
    (outcome) => {
      if (outcome.kind === "answer") answered(421)(outcome);
      else malformed(outcome);
    },
  ],
  ["§8.5 CONNECT with a :path", [headers(1, replaced(":method", "CONNECT"))], malformed],
  ["RFC 8441 §4 :protocol without CONNECT", [headers(1, [...get, [":protocol", "websocket"]])], malformed],
  [
    "RFC 8441 §4 CONNECT with :protocol and without :path",
    [
      headers(
        1,
        [...without(":path"), [":protocol", "websocket"]].map(
          ([name, value]) => [name, name === ":method" ? "CONNECT" : value] as const,
        ),
      ),
    ],
    malformed,
  ],
];

/** Fields that nghttp2 leaves out instead of refusing the request (RFC 9113 §8.2.1 would refuse it). */
const unusable: readonly (readonly [what: string, field: readonly [string, string]])[] = [
  ["a blank in a name", ["x y", "z"]],
  ["a colon in a name", ["x:y", "z"]],
  ["a name of bytes beyond ASCII", ["x\u00e9", "z"]],
  ["an empty name", ["", "z"]],
  ["a line break in a value", ["x", "y\r\nz: a"]],
  ["a NUL in a value", ["x", "y\0z"]],
  ["a blank at a value's start", ["x-blank", " y"]],
];

/** What is odd, and allowed; sent before a request. */
const allowed: readonly (readonly [title: string, frames: readonly Buffer[]])[] = [
  ["§4.1 a frame of an unknown type", [frame(0xfe, 0xff, 0, "anything"), frame(0xfe, 0, 7, "anything")]],
  ["§4.1 flags that mean nothing", [frame(frameType.ping, 0xfe, 0, "12345678")]],
  [
    "§5.3 PRIORITY of an idle stream on itself",
    [frame(frameType.priority, 0, 9, Buffer.concat([uint32(9), Buffer.from([1])]))],
  ],
  // A connection error by §6.3; nghttp2 reads nothing of a frame that has no meaning any more.
  ["§6.3 PRIORITY on stream 0", [frame(frameType.priority, 0, 0, Buffer.alloc(5))]],
  ["§6.5.2 a setting that nobody knows", [settings([0xfefe, 1])]],
  [
    "§6.9.2 a window of nothing, and then of something",
    [settings([setting.initialWindowSize, 0]), settings([setting.initialWindowSize, 1000])],
  ],
];

describe("frames of HTTP/2", () => {
  let fixture: Fixture;
  let upstream: Http2UpstreamServer;
  let other: ClientHttp2Session;
  const connections: FrameConnection[] = [];

  before(async () => {
    fixture = await startFixture({
      mappings: [host, h2Host].map((hostname) => ({ hostname, reference: "op://API Keys/OpenAI/api-key" })),
    });
    upstream = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host]);
    fixture.parent.routes.set(`${h2Host}:443`, upstream.port);
    other = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
  });
  after(async () => {
    other.destroy();
    await fixture.stop();
    await upstream.close();
  });
  beforeEach(() => {
    fixture.upstream.reset();
    upstream.reset();
  });
  afterEach("another connection is served", async () => {
    for (const connection of connections.splice(0)) {
      connection.destroy();
    }
    fixture.upstream.reset();
    assert.equal((await ask(other, {})).status, 200);
  });

  /** TLS that agreed on h2, and not a byte in it. */
  async function openTlsOnly(name = host): Promise<FrameConnection> {
    const wire = await openTls(fixture.endpoint, `${name}:443`, {
      ca: fixture.pems.certificate,
      protocol: "h2",
    });
    const connection = new FrameConnection(wire);
    connections.push(connection);
    return connection;
  }

  async function open(name = host): Promise<FrameConnection> {
    const connection = await openTlsOnly(name);
    connection.send(preface, settings());
    await connection.until(frameType.settings);
    connection.send(settingsAck);
    return connection;
  }

  /** Another request's answer shows that one before it would have come. */
  async function nothingWasAsked(): Promise<void> {
    await ask(other, { ":path": "/other" });
    assert.deepEqual(
      fixture.upstream.received.map(({ url }) => url),
      ["/other"],
    );
  }

  for (const [title, frames, expected] of broken) {
    it(`answers ${title}`, async () => {
      const connection = await open();
      connection.send(...frames);
      expected(await connection.outcome());
      await nothingWasAsked();
    });
  }

  for (const [what, field] of unusable) {
    it(`leaves out a field with ${what} (§8.2.1)`, async () => {
      const connection = await open();
      connection.send(headers(1, [...get, field, ["x-after", "kept"]]));
      const outcome = await connection.outcome();
      if (outcome.kind !== "answer") {
        malformed(outcome);
        return;
      }
      answered(200)(outcome);
      const names = fixture.upstream.received[0]!.rawHeaders.filter((_, index) => index % 2 === 0);
      assert.deepEqual(names.map((name) => name.toLowerCase()).sort(), [
        "authorization",
        "connection",
        "host",
        "x-after",
      ]);
    });
  }

  for (const [title, frames] of allowed) {
    it(`takes ${title}`, async () => {
      const connection = await open();
      connection.send(...frames, headers(1, get));
      answered(200)(await connection.outcome());
    });
  }

  it("takes a field block in pieces, each in padding, and a body in padding (§6.1, §6.2, §6.10)", async () => {
    const connection = await open();
    const block = fieldBlock(requestFields(host, { method: "POST" }, ["x-long", "y".repeat(1000)]));
    const third = Math.ceil(block.length / 3);
    const padding = Buffer.alloc(7);
    connection.send(
      frame(
        frameType.headers,
        flag.padded,
        1,
        Buffer.concat([Buffer.from([7]), block.subarray(0, third), padding]),
      ),
      frame(frameType.continuation, 0, 1, block.subarray(third, 2 * third)),
      frame(frameType.continuation, flag.endHeaders, 1, block.subarray(2 * third)),
      frame(frameType.data, flag.padded, 1, Buffer.concat([Buffer.from([7]), Buffer.from("body"), padding])),
      frame(frameType.data, flag.padded | flag.endStream, 1, Buffer.concat([Buffer.from([7]), padding])),
    );
    answered(200)(await connection.outcome());
    const [request] = fixture.upstream.received;
    assert.equal(request?.headers["x-long"], "y".repeat(1000));
    assert.equal((await request.body).toString(), "body");
  });

  it("acknowledges SETTINGS and answers PING with its own bytes (§6.5.3, §6.7)", async () => {
    const connection = await open();
    await connection.until(frameType.settings, 0, flag.ack);
    connection.send(ping("87654321"));
    const { payload } = await connection.until(frameType.ping, 0, flag.ack);
    assert.equal(payload.toString(), "87654321");
  });

  it("takes WINDOW_UPDATE and RST_STREAM on a stream that is over (§5.1)", async () => {
    const connection = await open();
    connection.send(headers(1, get));
    answered(200)(await connection.outcome());
    await connection.until(frameType.data, 1, flag.endStream);
    connection.send(windowUpdate(1, 1), rstStream(1, errorCode.cancel), headers(3, get));
    answered(200)(await connection.outcome());
  });

  /** Sends a whole request that stays unanswered. */
  async function openUnanswered(): Promise<FrameConnection> {
    const connection = await open();
    fixture.upstream.handler = () => undefined;
    const arrived = fixture.upstream.next();
    connection.send(headers(1, get));
    await arrived;
    return connection;
  }

  const afterwards: readonly Case[] = [
    ["§5.1 DATA after a request's end", [data(1, "x")], streamError("streamClosed")],
    [
      "§5.1 HEADERS after a request's end",
      [headers(1, [["x", "y"]])],
      streamError("streamClosed", "protocol"),
    ],
    [
      "§5.1.1 a stream with the number of an earlier one",
      [headers(1, get)],
      streamError("streamClosed", "protocol"),
    ],
  ];
  for (const [title, frames, expected] of afterwards) {
    it(`answers ${title}`, async () => {
      const connection = await openUnanswered();
      connection.send(...frames);
      expected(await connection.outcome());
    });
  }

  /** nghttp2 drops these instead of ending the connection, as late frames of a stream that it forgot. */
  const withoutEffect: readonly (readonly [title: string, frames: readonly Buffer[]])[] = [
    ["DATA on a stream that was reset (§5.1)", [rstStream(1, errorCode.cancel), data(1, "x"), data(1, "y")]],
    ["HEADERS on a stream that was reset (§5.1)", [rstStream(1, errorCode.cancel), headers(1, get)]],
    ["a stream whose number is below that of an earlier one (§5.1.1)", [headers(5, get), headers(3, get)]],
  ];
  for (const [title, frames] of withoutEffect) {
    it(`makes nothing of ${title}`, async () => {
      const connection = await openUnanswered();
      fixture.upstream.reset();
      connection.send(...frames, headers(7, requestFields(host, { path: "/last" })));
      for (;;) {
        const outcome = await connection.outcome();
        answered(200)(outcome);
        if (outcome.kind === "answer" && outcome.stream === 7) {
          break;
        }
      }
      assert.deepEqual(
        fixture.upstream.received.map(({ url }) => url).sort(),
        frames.some((sent) => sent.readUInt32BE(5) === 5) ? ["/", "/last"] : ["/last"],
      );
    });
  }

  const wrongBeginnings: readonly (readonly [what: string, bytes: Buffer])[] = [
    ["a request of HTTP/1.1", Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)],
    ["garbage", randomBytes(100)],
    [
      "a preface with one byte changed",
      Buffer.concat([Buffer.from("PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"), settings()]),
    ],
    ["a preface without SETTINGS behind it", Buffer.concat([preface, headers(1, get)])],
    ["SETTINGS without a preface", Buffer.concat([settings(), headers(1, get)])],
    ["two prefaces", Buffer.concat([preface, preface, settings(), headers(1, get)])],
  ];
  for (const [what, bytes] of wrongBeginnings) {
    it(`ends a connection that begins with ${what} (§3.4)`, async () => {
      const connection = await openTlsOnly();
      connection.send(bytes);
      const outcome = await connection.outcome();
      if (outcome.kind !== "closed") {
        connectionError("protocol", "internal", "frameSize")(outcome);
      }
      await nothingWasAsked();
    });
  }

  it("takes a preface byte by byte (§3.4)", async () => {
    const connection = await openTlsOnly();
    for (const byte of Buffer.concat([preface, settings(), headers(1, get)])) {
      await connection.sendSlowly(Buffer.from([byte]));
    }
    answered(200)(await connection.outcome());
  });

  it("refuses a stream beyond those that it allows, and no other (§5.1.2)", async () => {
    const connection = await openTlsOnly();
    connection.send(preface, settings());
    const { payload } = await connection.until(frameType.settings);
    const entries = Array.from({ length: payload.length / 6 }, (_, index) => payload.subarray(index * 6));
    const limit = entries
      .find((entry) => entry.readUInt16BE(0) === setting.maxConcurrentStreams)!
      .readUInt32BE(2);
    const answers: (() => void)[] = [];
    fixture.upstream.handler = (_request, response) => void answers.push(() => response.end());
    connection.send(...Array.from({ length: limit + 1 }, (_, index) => headers(2 * index + 1, get)));
    assert.deepEqual(await connection.outcome(), {
      kind: "reset",
      stream: 2 * limit + 1,
      code: errorCode.refusedStream,
    });
    fixture.upstream.handler = (_request, response) => void response.end();
    for (const answer of answers.splice(0)) {
      answer();
    }
    for (let count = 0; count < limit; count++) {
      answered(200)(await connection.outcome());
    }
  });

  it("ends a connection that sends more than its windows allow (§6.9.1)", async () => {
    const connection = await open();
    const held = fixture.upstream.hold();
    connection.send(openPost, data(1, "x"));
    const request = await held;
    request.on("error", () => undefined);
    const ended = new Promise((resolve) => request.once("close", resolve));
    const chunk = data(1, Buffer.alloc(16_384));
    for (let sent = 0; sent < 64 * 1024 * 1024 && (await connection.sendSlowly(chunk)); sent += 16_384);
    streamError("flowControl")(await connection.outcome());
    request.resume();
    await ended;
    assert.equal(request.complete, false);
  });

  for (const name of [host, h2Host]) {
    it(`never completes a request that is reset without an error, towards ${name} (contract 14)`, async () => {
      const broken = Promise.withResolvers<boolean>();
      fixture.upstream.handler = (request) => {
        request.on("close", () => broken.resolve(!request.complete)).resume();
      };
      upstream.handler = ({ stream }) => {
        stream.on("close", () => broken.resolve(stream.rstCode !== 0)).resume();
      };
      const connection = await open(name);
      const begun = name === host ? fixture.upstream.next() : upstream.next();
      const fields = requestFields(name, { method: "POST" });
      connection.send(headers(1, fields, { endStream: false }), data(1, "half"));
      await begun;
      connection.send(rstStream(1, errorCode.none));
      assert.ok(await broken.promise);
    });

    for (const [what, frames] of [
      ["less", [data(1, "abc", { endStream: true })]],
      ["more", [data(1, "abcdef")]],
    ] as const) {
      it(`never completes a request with ${what} body than its Content-Length, towards ${name} (§8.1.1)`, async () => {
        const broken = Promise.withResolvers<boolean>();
        fixture.upstream.handler = (request) => {
          request.on("close", () => broken.resolve(!request.complete)).resume();
        };
        upstream.handler = ({ stream }) => {
          stream.on("close", () => broken.resolve(stream.rstCode !== 0)).resume();
        };
        const connection = await open(name);
        const begun = name === host ? fixture.upstream.next() : upstream.next();
        const fields = requestFields(name, { method: "POST" }, ["content-length", "5"]);
        connection.send(headers(1, fields, { endStream: false }), data(1, "a"));
        await begun;
        connection.send(...frames);
        assert.notEqual((await connection.outcome()).kind, "answer");
        assert.ok(await broken.promise);
      });
    }
  }

  it("answers what runs when the client says goodbye, and no more (§6.8)", async () => {
    const connection = await open();
    const arrived = upstream.next();
    upstream.handler = () => undefined;
    const byHttp2 = await open(h2Host);
    byHttp2.send(headers(1, requestFields(h2Host)), goaway(0, errorCode.none));
    const { stream } = await arrived;
    byHttp2.send(ping());
    await byHttp2.until(frameType.ping, 0, flag.ack);
    stream.respond({ ":status": 200 });
    stream.end("whole");
    assert.equal((await byHttp2.until(frameType.data, 1)).payload.toString(), "whole");
    await byHttp2.wire.closed();
    connection.send(goaway(0, errorCode.internal));
    await connection.wire.closed();
  });
});

describe("limits of HTTP/2", () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture({ limits: { first: 300, next: 300 } })));
  after(() => fixture.stop());

  const beginnings: readonly (readonly [what: string, bytes: Buffer])[] = [
    ["never begins", Buffer.alloc(0)],
    ["stops within its preface", preface.subarray(0, 10)],
    ["asks nothing after its preface", Buffer.concat([preface, settings()])],
    [
      "stops within a field block",
      Buffer.concat([preface, settings(), frame(frameType.headers, flag.endStream, 1, fieldBlock(get))]),
    ],
    ["asks nothing after an answer", Buffer.concat([preface, settings(), headers(1, get)])],
  ];
  for (const [what, bytes] of beginnings) {
    it(`closes a connection that ${what}, though the client keeps its side open (contract 18)`, async () => {
      const ca = fixture.pems.certificate;
      const wire = await openTls(fixture.endpoint, `${host}:443`, { ca, protocol: "h2" });
      const connection = new FrameConnection(wire);
      connection.send(bytes);
      const { payload } = await connection.until(frameType.goaway);
      assert.equal(payload.readUInt32BE(4), errorCode.none);
      await wire.closed();
      // Only a socket that is gone on the other side refuses what comes.
      const gone = new Promise((resolve) => wire.socket.once("close", resolve));
      const writing = setInterval(() => connection.send(ping()), 20);
      await gone;
      clearInterval(writing);
    });
  }

  it("gives a field block that is not complete the time of the stream beside it, and no more (contract 18)", async () => {
    const ca = fixture.pems.certificate;
    const wire = await openTls(fixture.endpoint, `${host}:443`, { ca, protocol: "h2" });
    const connection = new FrameConnection(wire);
    const answer = Promise.withResolvers<() => void>();
    fixture.upstream.handler = (_request, response) => answer.resolve(() => void response.end("late"));
    connection.send(preface, settings(), headers(1, get));
    const end = await answer.promise;
    connection.send(frame(frameType.headers, flag.endStream, 3, fieldBlock(get)));
    // Another connection's time begins now and is over before that of the stream.
    const idle = new FrameConnection(await openTls(fixture.endpoint, `${host}:443`, { ca, protocol: "h2" }));
    await idle.wire.closed();
    idle.destroy();
    end();
    assert.equal((await connection.until(frameType.data, 1)).payload.toString(), "late");
    await connection.until(frameType.goaway);
    await wire.closed();
    connection.destroy();
    fixture.upstream.reset();
  });
});
