import assert from "node:assert/strict";
import { once } from "node:events";
import { type Fixture, mappingsOf, startFixture } from "../support/gatewayFixture.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, requestHead, type WireReader } from "../support/wire.ts";

const megabyte = 1 << 20;
const reference = "op://API Keys/OpenAI/api-key";

describe("exchanges that end early", () => {
  let fixture: Fixture;
  let raw: RawServer;
  let target: string;
  let host: string;
  let wire: WireReader;
  before(async () => {
    // Straight to the upstream, so that a reset stays a reset.
    fixture = await startFixture({ mappings: [], parentProxy: undefined });
    raw = await RawServer.startTls(fixture.upstreamAuthority, ["127.0.0.1"]);
    target = `127.0.0.1:${raw.port}`;
    host = `Host: ${target}`;
    fixture.gateway.setMappings(mappingsOf([{ hostname: target, reference }]));
  });
  after(async () => {
    await fixture.stop();
    await raw.close();
  });
  beforeEach(async () => (wire = await fixture.open(target)));
  afterEach(() => wire.socket.destroy());

  /** Sends a request, and gives the upstream's end of it when its head has arrived. */
  async function begin(text: string): Promise<WireReader> {
    wire.send(text);
    const connection = await raw.next();
    await connection.until("\r\n\r\n");
    return connection;
  }

  const starts: readonly (readonly [string, string, string])[] = [
    ["with a length", "Content-Length: 100\r\n", "half of it"],
    ["chunked", "Transfer-Encoding: chunked\r\n", "a\r\nhalf of it\r\n"],
    [
      "chunked, on a connection it would have closed",
      "Transfer-Encoding: chunked\r\nConnection: close\r\n",
      "a\r\nhalf of it\r\n",
    ],
    ["chunked, within a chunk", "Transfer-Encoding: chunked\r\nConnection: close\r\n", "64\r\nhalf of it"],
    [
      "with a length, on a connection it would have closed",
      "Content-Length: 100\r\nConnection: close\r\n",
      "half of it",
    ],
  ];
  for (const [what, fields, part] of starts) {
    for (const how of ["ends", "resets"] as const) {
      it(`breaks the client's body when the upstream ${how} in a body ${what} (contract 14)`, async () => {
        const connection = await begin(requestHead("GET /", host));
        connection.send(`HTTP/1.1 200 OK\r\n${fields}\r\n${part}`);
        assert.equal((await wire.head()).status, 200);
        await wire.until("half of it");
        if (how === "ends") {
          connection.socket.end();
        } else {
          raw.reset(connection);
        }
        assert.doesNotMatch(await wire.rest(), /0\r\n\r\n$/);
        connection.socket.destroy();
      });
    }
  }

  it("breaks the client's body when the upstream resets in a body without a length (contract 14)", async () => {
    const connection = await begin(requestHead("GET /", host));
    connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it");
    assert.equal((await wire.head()).status, 200);
    await wire.until("half of it");
    raw.reset(connection);
    assert.doesNotMatch(await wire.rest(), /0\r\n\r\n$/);
  });

  it("breaks the client's body when a chunk of the upstream is nonsense (contract 14)", async () => {
    const connection = await begin(requestHead("GET /", host));
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n");
    await wire.until("half of it");
    connection.send("zz\r\n");
    assert.doesNotMatch(await wire.rest(), /0\r\n\r\n$/);
    await connection.closed();
  });

  it("aborts the upstream when the client leaves before the answer (contract 14)", async () => {
    const connection = await begin(requestHead("GET /", host));
    wire.socket.destroy();
    await connection.closed();
  });

  it("aborts the upstream when the client leaves in the answer (contract 14)", async () => {
    const connection = await begin(requestHead("GET /", host));
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    await wire.until("hi");
    wire.socket.destroy();
    await connection.closed();
  });

  it("aborts the upstream when the client leaves in its upload (contract 14)", async () => {
    for (const [field, part] of [
      ["Content-Length: 10", "half"],
      ["Transfer-Encoding: chunked", "4\r\nhalf\r\n"],
    ]) {
      const connection = await begin(requestHead("POST /", host, field!) + part!);
      await connection.until("half");
      wire.socket.destroy();
      assert.doesNotMatch(await connection.rest(), /0\r\n\r\n$/);
      wire = await fixture.open(target);
    }
  });

  it("gives an upstream's early answer while the client is still uploading (contract 3)", async () => {
    const connection = await begin(requestHead("POST /", host, `Content-Length: ${20 * megabyte + 1}`) + "x");
    connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    const answer = await wire.answer();
    assert.deepEqual([answer.status, answer.body], [413, "large"]);
    await upload(20);
    const next = await begin(requestHead("GET /next", host));
    next.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await wire.answer()).body, "ok");
    connection.socket.destroy();
    next.socket.destroy();
  });

  it("lets an upload go on behind an answer's head (contract 12)", async () => {
    const connection = await begin(requestHead("POST /", host, "Content-Length: 9") + "-");
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    await wire.until("hi");
    wire.send("all of i");
    await connection.until("all of i");
    connection.send("0\r\n\r\n");
    await wire.until("0\r\n\r\n");
    connection.socket.destroy();
  });

  it("answers 502 when the upstream dies in an upload, and the client reads it after all of it (contract 3)", async () => {
    const connection = await begin(requestHead("POST /", host, `Content-Length: ${20 * megabyte + 1}`) + "x");
    raw.reset(connection);
    await upload(20);
    assertRefusal(await wire.answer(), 502, "upstream-unreachable");
  });

  for (const close of [[], ["Connection: close"]]) {
    for (const framing of ["Content-Length", "chunked"]) {
      const what = `${framing}${close.length > 0 ? ", Connection: close" : ""}`;
      it(`keeps a refusal readable for a client that uploads 20 MB first (${what}; contract 3)`, async () => {
        const field =
          framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${20 * megabyte}`;
        wire.send(requestHead("POST /", "Host: evil.com", field, ...close));
        await upload(20, framing === "chunked");
        assertRefusal(await wire.answer(), 421, "misdirected");
        if (close.length > 0) {
          await wire.closed();
        }
      });

      it(`sends a refusal at once, before the upload is over (${what}; contract 3)`, async () => {
        const field =
          framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${20 * megabyte}`;
        wire.send(requestHead("POST /", "Host: evil.com", field, ...close));
        assertRefusal(await wire.answer(), 421, "misdirected");
        await upload(20, framing === "chunked");
      });
    }
  }

  async function upload(megabytes: number, chunked = false): Promise<void> {
    const block = Buffer.alloc(megabyte, 120);
    const part = chunked ? Buffer.concat([Buffer.from("100000\r\n"), block, Buffer.from("\r\n")]) : block;
    for (let index = 0; index < megabytes; index++) {
      if (!wire.socket.write(part)) {
        await once(wire.socket, "drain");
      }
    }
    if (chunked) {
      wire.send("0\r\n\r\n");
    }
  }
});
