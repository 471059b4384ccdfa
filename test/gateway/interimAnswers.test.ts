import assert from "node:assert/strict";
import { type Fixture, rawHost, startRawFixture } from "../support/gatewayFixture.ts";
import { type RawServer } from "../support/upstreamServer.ts";
import { requestHead, type WireReader } from "../support/wire.ts";

describe("1xx, Expect and answers without a length", () => {
  let fixture: Fixture;
  let raw: RawServer;
  let stop: () => Promise<void>;
  let wire: WireReader;
  before(async () => ({ fixture, raw, stop } = await startRawFixture()));
  after(() => stop());
  beforeEach(async () => {
    fixture.upstream.reset();
    wire = await fixture.open(`${rawHost}:443`);
  });
  afterEach(() => wire.socket.destroy());

  const host = `Host: ${rawHost}`;
  const final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  const interim: readonly (readonly [string, readonly string[]])[] = [
    ["100 that nobody asked for", ["HTTP/1.1 100 Continue\r\n\r\n"]],
    ["100 with fields and without a reason", ["HTTP/1.1 100\r\nX-A: b\r\n\r\n"]],
    ["102", ["HTTP/1.1 102 Processing\r\n\r\n"]],
    ["103", ["HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"]],
    [
      "100, 103, 102",
      ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 102 P\r\n\r\n"],
    ],
    ["103, 100", ["HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]],
    ["100 byte by byte", Array.from("HTTP/1.1 100 Continue\r\n\r\n")],
  ];
  for (const [what, parts] of interim) {
    it(`is not broken by ${what} (contract 12)`, async () => {
      wire.send(requestHead("POST /", host, "Content-Length: 1") + "x");
      const connection = await raw.next();
      await connection.until("\r\n\r\nx");
      for (const part of [...parts, final]) {
        connection.send(part);
        await new Promise(setImmediate);
      }
      const answer = await wire.answer();
      assert.deepEqual([answer.status, answer.body], [200, "ok"]);
      wire.send(requestHead("GET /next", host));
      assert.match(await connection.until("\r\n\r\n"), /^GET \/next /);
      connection.send(final);
      assert.equal((await wire.answer()).body, "ok");
      connection.socket.destroy();
    });
  }

  it("takes a 101 that nobody asked for as a broken answer", async () => {
    wire.send(requestHead("GET /", host));
    const connection = await raw.next();
    await connection.until("\r\n\r\n");
    connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    assert.equal((await wire.answer()).headers["x-onecli-error"], "upstream-unreachable");
  });

  it("gives an answer without a length to its end, chunked (contract 12)", async () => {
    for (const version of ["1.1", "1.0"]) {
      wire.send(requestHead("GET /", host));
      const connection = await raw.next();
      await connection.until("\r\n\r\n");
      connection.send(`HTTP/${version} 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\nfirst`);
      const head = await wire.head();
      assert.deepEqual(
        [head.status, head.headers["x-a"], head.headers["transfer-encoding"]],
        [200, "b", "chunked"],
      );
      assert.equal(await wire.until("first\r\n"), "5\r\nfirst\r\n");
      connection.socket.end(" and last");
      assert.equal(await wire.until("0\r\n\r\n"), "9\r\n and last\r\n0\r\n\r\n");
      connection.socket.destroy();
    }
  });

  it("ends Expect: 100-continue in a complete body (contract 12)", async () => {
    const client = await fixture.open("api.openai.com:443");
    client.send(requestHead("POST /", "Host: api.openai.com", "Expect: 100-continue", "Content-Length: 5"));
    assert.equal((await client.head()).status, 100);
    client.send("hello");
    assert.equal((await client.answer()).status, 200);
    const received = fixture.upstream.received[0]!;
    assert.equal((await received.body).toString(), "hello");
    assert.equal(received.headers.expect, undefined);
    client.socket.destroy();
  });

  it("serves a client that does not wait for 100 (contract 12)", async () => {
    const client = await fixture.open("api.openai.com:443");
    client.send(
      requestHead("POST /", "Host: api.openai.com", "Expect: 100-continue", "Content-Length: 5") + "hello",
    );
    assert.equal((await client.head()).status, 100);
    assert.equal((await client.answer()).status, 200);
    assert.equal((await fixture.upstream.received[0]!.body).toString(), "hello");
    client.socket.destroy();
  });

  it("passes a request with an expectation that nobody knows (contract 12)", async () => {
    const client = await fixture.open("api.openai.com:443");
    client.send(
      requestHead("POST /", "Host: api.openai.com", "Expect: the-unexpected", "Content-Length: 5") + "hello",
    );
    assert.equal((await client.answer()).status, 200);
    assert.equal((await fixture.upstream.received[0]!.body).toString(), "hello");
    client.socket.destroy();
  });

  it("writes the request as it came: one head, its bytes, nothing else (contracts 10, 11)", async () => {
    wire.send(requestHead("POST //x?y", host, "X-Odd:  two  blanks ", "Content-Length: 3") + "abc");
    const connection = await raw.next();
    const head = await connection.until("\r\n\r\n");
    assert.deepEqual(head.split("\r\n"), [
      "POST //x?y HTTP/1.1",
      "host: raw.example.com",
      "connection: keep-alive",
      "X-Odd: two  blanks",
      "Authorization: Bearer sk-proj-test-OPENAI-VALUE-77aa",
      "content-length: 3",
      "",
      "",
    ]);
    assert.equal((await connection.bytes(3)).toString(), "abc");
    connection.send(final);
    assert.equal((await wire.answer()).body, "ok");
    connection.socket.destroy();
  });
});
