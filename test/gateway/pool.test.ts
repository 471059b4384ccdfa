import assert from "node:assert/strict";
import { once } from "node:events";
import { type Fixture, rawHost, startRawFixture } from "../support/gatewayFixture.ts";
import { type RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, requestHead, type WireReader } from "../support/wire.ts";

describe("connections to the upstream", () => {
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

  const requests: readonly (readonly [string, string])[] = [
    ["GET", requestHead("GET /", host)],
    ["HEAD", requestHead("HEAD /", host)],
    ["PUT with a body", `${requestHead("PUT /", host, "Content-Length: 2")}ok`],
    ["POST with a body", `${requestHead("POST /", host, "Content-Length: 2")}ok`],
    ["DELETE", requestHead("DELETE /", host)],
  ];
  for (const [what, text] of requests) {
    it(`sends a ${what} once, when the upstream closes on receipt (contract 27)`, async () => {
      const before = raw.connections;
      wire.send(text);
      const connection = await raw.next();
      await connection.until(text.endsWith("ok") ? "ok" : "\r\n\r\n");
      connection.socket.end();
      const answer = await wire.answer({ bodiless: text.startsWith("HEAD") });
      assert.equal(answer.headers["x-onecli-error"], "upstream-unreachable");
      assert.equal(raw.connections, before + 1);
    });

    it(`sends a ${what} once, when a connection in use before closes on receipt (contract 27)`, async () => {
      wire.send(requestHead("GET /first", host));
      const connection = await raw.next();
      await connection.until("\r\n\r\n");
      connection.send(final);
      await wire.answer();
      const before = raw.connections;
      wire.send(text);
      await connection.until(text.endsWith("ok") ? "ok" : "\r\n\r\n");
      connection.socket.destroy();
      const answer = await wire.answer({ bodiless: text.startsWith("HEAD") });
      assert.equal(answer.headers["x-onecli-error"], "upstream-unreachable");
      assert.equal(raw.connections, before);
    });
  }

  it("says that the upstream closed without an answer, as 502 that may be retried (contract 4)", async () => {
    wire.send(requestHead("GET /", host));
    (await raw.next()).socket.destroy();
    assert.match(assertRefusal(await wire.answer(), 502, "upstream-unreachable"), /raw\.example\.com closed/);
  });

  it("uses one connection for requests in turn, whichever client sends them", async () => {
    const before = fixture.upstream.connections;
    for (let index = 0; index < 5; index++) {
      const client = await fixture.open("api.openai.com:443");
      for (const path of ["/a", "/b"]) {
        client.send(requestHead(`GET ${path}`, "Host: api.openai.com"));
        assert.equal((await client.answer()).status, 200);
      }
      client.socket.destroy();
    }
    assert.equal(fixture.upstream.connections - before, 1);
  });

  it("does not use a connection that the upstream has closed in the meantime (contract 27)", async () => {
    for (let index = 0; index < 5; index++) {
      wire.send(requestHead("POST /", host, "Content-Length: 2") + "ok");
      const connection = await raw.next();
      await connection.until("ok");
      connection.send(final);
      assert.equal((await wire.answer()).status, 200);
      const gone = once(connection.socket, "close");
      connection.socket.end();
      // The gateway closes its side when it has seen the upstream's end.
      await gone;
    }
  });

  it("opens a connection for each request under way", async () => {
    fixture.upstream.dropConnections();
    const before = fixture.upstream.connections;
    const held: (() => void)[] = [];
    fixture.upstream.handler = (_request, response) => {
      held.push(() => void response.end("ok"));
      if (held.length === 20) {
        held.forEach((answer) => answer());
      }
    };
    const clients = await Promise.all(Array.from({ length: 20 }, () => fixture.open("api.openai.com:443")));
    clients.forEach((client) => client.send(requestHead("GET /", "Host: api.openai.com")));
    for (const client of clients) {
      assert.equal((await client.answer()).body, "ok");
      client.socket.destroy();
    }
    assert.equal(fixture.upstream.connections - before, 20);
  });

  it("keeps the connection when the upstream says so, and not when it says close", async () => {
    wire.send(requestHead("GET /", host));
    const first = await raw.next();
    await first.until("\r\n\r\n");
    first.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    const answer = await wire.answer();
    assert.deepEqual([answer.body, answer.headers["connection"]], ["ok", undefined]);
    wire.send(requestHead("GET /next", host));
    const second = await raw.next();
    assert.match(await second.until("\r\n\r\n"), /^GET \/next /);
    second.send(final);
    assert.equal((await wire.answer()).body, "ok");
    second.socket.destroy();
  });
});
