// A client of HTTP/2 that sends without end what it may send once: its session ends, or costs what a session may cost.
import assert from "node:assert/strict";
import { type ClientHttp2Session } from "node:http2";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import {
  data,
  errorCode,
  fieldBlock,
  flag,
  frame,
  FrameConnection,
  frameType,
  headers,
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
import { descriptorsAtRest, descriptorsBackTo } from "../support/resources.ts";
import { openTls } from "../support/wire.ts";

const h1Host = "api.openai.com";
const h2Host = "h2.example.com";

interface Flood {
  readonly title: string;
  readonly first?: (host: string) => readonly Buffer[];
  /** One round of it; without end. */
  readonly round: (index: number, host: string) => readonly Buffer[];
  readonly rounds: number;
  /** Whether it costs a session its life; where not, all of it is taken. */
  readonly isFatal: boolean;
}

const post = (host: string) => [headers(1, requestFields(host, { method: "POST" }), { endStream: false })];
const get = (stream: number, host: string, path = "/flood") => headers(stream, requestFields(host, { path }));

const floods: readonly Flood[] = [
  {
    title: "requests that it resets (CVE-2023-44487)",
    round: (index, host) => [get(2 * index + 1, host), rstStream(2 * index + 1, errorCode.cancel)],
    rounds: 20_000,
    isFatal: true,
  },
  {
    title: "requests that it makes us reset (CVE-2025-8671)",
    round: (index, host) => [get(2 * index + 1, host), windowUpdate(2 * index + 1, 0)],
    rounds: 20_000,
    isFatal: true,
  },
  {
    title: "requests that it makes us reset by a window",
    round: (index, host) => [get(2 * index + 1, host), windowUpdate(2 * index + 1, 2 ** 31 - 1)],
    rounds: 20_000,
    isFatal: true,
  },
  {
    title: "requests that are none",
    round: (index, host) => [headers(2 * index + 1, [...requestFields(host), ["connection", "close"]])],
    rounds: 20_000,
    isFatal: true,
  },
  {
    title: "SETTINGS (CVE-2019-9515)",
    round: () => Array<Buffer>(500).fill(settings()),
    rounds: 10_000,
    isFatal: true,
  },
  {
    title: "SETTINGS of many entries",
    round: () => [
      settings(...Array.from({ length: 2000 }, () => [setting.initialWindowSize, 65_535] as const)),
    ],
    rounds: 100,
    isFatal: true,
  },
  {
    title: "PING (CVE-2019-9512)",
    round: () => Array<Buffer>(500).fill(ping()),
    rounds: 10_000,
    isFatal: true,
  },
  {
    title: "CONTINUATION (CVE-2024-27316)",
    first: (host) => [frame(frameType.headers, flag.endStream, 1, fieldBlock(requestFields(host)))],
    round: () => [frame(frameType.continuation, 0, 1, fieldBlock([["x", "y".repeat(16_000)]]))],
    rounds: 10_000,
    isFatal: true,
  },
  {
    title: "empty CONTINUATION",
    first: (host) => [frame(frameType.headers, flag.endStream, 1, fieldBlock(requestFields(host)))],
    round: () => [frame(frameType.continuation, 0, 1)],
    rounds: 100_000,
    isFatal: true,
  },
  {
    title: "empty DATA (CVE-2019-9518)",
    first: post,
    round: () => [data(1, "")],
    rounds: 100_000,
    isFatal: true,
  },
  {
    title: "DATA of padding alone",
    first: post,
    round: () => [frame(frameType.data, flag.padded, 1, Buffer.from([3, 0, 0, 0]))],
    rounds: 10_000,
    isFatal: false,
  },
  { title: "DATA of a byte", first: post, round: () => [data(1, "x")], rounds: 50_000, isFatal: false },
  { title: "WINDOW_UPDATE", round: () => [windowUpdate(0, 1)], rounds: 100_000, isFatal: false },
  {
    title: "WINDOW_UPDATE on a stream",
    first: post,
    round: () => [windowUpdate(1, 1)],
    rounds: 100_000,
    isFatal: false,
  },
  {
    title: "PRIORITY (CVE-2019-9513)",
    round: (index) => [
      frame(frameType.priority, 0, 2 * index + 1, Buffer.concat([uint32(0), Buffer.from([1])])),
    ],
    rounds: 100_000,
    isFatal: true,
  },
  {
    title: "frames of an unknown type",
    round: () => [frame(0xfe, 0, 0, "x")],
    rounds: 100_000,
    isFatal: true,
  },
  {
    title: "fields without a name (CVE-2019-9516)",
    round: (index, host) => [
      headers(2 * index + 1, [
        ...requestFields(host),
        ...Array.from({ length: 1000 }, () => ["", ""] as const),
      ]),
    ],
    rounds: 100,
    isFatal: false,
  },
];

describe("a flood", () => {
  let fixture: Fixture;
  let upstream: Http2UpstreamServer;
  let other: ClientHttp2Session;
  const connections: FrameConnection[] = [];

  before(async () => {
    fixture = await startFixture({
      mappings: [h1Host, h2Host].map((hostname) => ({ hostname, reference: "op://API Keys/OpenAI/api-key" })),
    });
    upstream = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host]);
    fixture.parent.routes.set(`${h2Host}:443`, upstream.port);
    other = await openHttp2(fixture.endpoint, `${h1Host}:443`, fixture.pems.certificate);
    // What is opened once stays open.
    await ask(other, {});
  });
  after(async () => {
    other.destroy();
    await fixture.stop();
    await upstream.close();
  });
  beforeEach(() => {
    fixture.upstream.reset();
    upstream.reset();
    // An answer before the body's end would end the stream that is flooded.
    fixture.upstream.handler = (request, response) => {
      request.resume().once("end", () => response.end());
    };
  });
  afterEach(() => {
    for (const connection of connections.splice(0)) {
      connection.destroy();
    }
  });

  async function open(host: string, reading: boolean): Promise<FrameConnection> {
    const wire = await openTls(fixture.endpoint, `${host}:443`, {
      ca: fixture.pems.certificate,
      protocol: "h2",
    });
    const connection = new FrameConnection(wire);
    connections.push(connection);
    connection.send(preface, settings());
    await connection.until(frameType.settings);
    connection.send(settingsAck);
    if (!reading) {
      wire.socket.removeAllListeners("data").pause();
    }
    return connection;
  }

  /** Lets go of every connection that is kept for later. */
  function idle(): Promise<number> {
    fixture.upstream.dropConnections();
    upstream.dropConnections();
    return descriptorsAtRest();
  }

  for (const host of [h1Host, h2Host]) {
    for (const reading of [true, false]) {
      const whose = `a client that ${reading ? "reads" : "does not read"} what comes back`;
      for (const { title, first, round, rounds, isFatal } of floods) {
        it(`of ${title} by ${whose}, towards ${host}`, async () => {
          const before = await idle();
          const connectionsBefore = fixture.upstream.connections + upstream.connections;
          const connection = await open(host, reading);
          const closed = new Promise((resolve) => connection.wire.socket.once("close", resolve));
          connection.send(...(first?.(host) ?? []));
          let sent = 0;
          while (sent < rounds && (await connection.sendSlowly(...round(sent, host)))) {
            sent++;
            if (sent % 1000 === 0) {
              assert.equal((await ask(other, { ":path": "/other" })).status, 200);
            }
          }
          if (isFatal) {
            // What was sent last may still be on its way to the end.
            connection.wire.socket.resume().end();
            await closed;
            assert.ok(sent < rounds, "all of it was taken");
          } else {
            assert.equal(sent, rounds);
          }
          connection.destroy();
          assert.equal((await ask(other, { ":path": "/other" })).status, 200);
          const asked = [
            ...fixture.upstream.received.map(({ url }) => url),
            ...upstream.received.map(({ headers: fields }) => fields[":path"]),
          ];
          const flooded = asked.filter((path) => path !== "/other").length;
          assert.ok(flooded <= 1000, `${flooded} requests went up`);
          const opened = fixture.upstream.connections + upstream.connections - connectionsBefore;
          assert.ok(opened <= 200, `${opened} connections were opened`);
          await idle();
          await descriptorsBackTo(before);
        });
      }
    }
  }

  const entry = fieldBlock([["x-bomb", "y".repeat(4000)]]);
  /** Puts a field of 4 KB into the table (RFC 7541 §6.2.1), and names it 12,000 times by a byte each. */
  const bomb = Buffer.concat([Buffer.from([0x40]), entry.subarray(1), Buffer.alloc(12_000, 0xbe)]);
  const heavy: readonly (readonly [title: string, block: (host: string) => Buffer])[] = [
    [
      "of HPACK that unfolds to 48 MB (RFC 7541 §7.3)",
      (host) => Buffer.concat([fieldBlock(requestFields(host)), bomb]),
    ],
    [
      "of 400 KB (CVE-2019-9516)",
      (host) =>
        fieldBlock(
          requestFields(host, {}, ...Array.from({ length: 40 }, () => ["x", "y".repeat(10_000)] as const)),
        ),
    ],
    [
      "of 50,000 fields",
      (host) =>
        fieldBlock(requestFields(host, {}, ...Array.from({ length: 50_000 }, () => ["x", ""] as const))),
    ],
  ];
  for (const [title, block] of heavy) {
    it(`of one field block ${title} goes nowhere (contract 18)`, async () => {
      const before = await idle();
      const connection = await open(h1Host, true);
      const bytes = block(h1Host);
      for (let at = 0; at < bytes.length; at += 16_384) {
        const type = at === 0 ? frameType.headers : frameType.continuation;
        const flags = (at === 0 ? flag.endStream : 0) | (at + 16_384 >= bytes.length ? flag.endHeaders : 0);
        await connection.sendSlowly(frame(type, flags, 1, bytes.subarray(at, at + 16_384)));
      }
      const outcome = await connection.outcome();
      assert.ok(
        outcome.kind === "closed" ||
          ("status" in outcome && outcome.status === 431) ||
          ("code" in outcome && outcome.code !== errorCode.none),
        JSON.stringify(outcome),
      );
      connection.destroy();
      assert.equal((await ask(other, { ":path": "/other" })).status, 200);
      assert.deepEqual(
        fixture.upstream.received.map(({ url }) => url),
        ["/other"],
      );
      await idle();
      await descriptorsBackTo(before);
    });
  }
});
