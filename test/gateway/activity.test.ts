import assert from "node:assert/strict";
import { type ActivityRecord } from "../../src/shared/gatewayProtocol.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import {
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
  type WireReader,
} from "../support/wire.ts";

describe("activity", () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture({
      mappings: [
        { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
        { hostname: "*.example.com", reference: "op://API Keys/OpenAI/api-key" },
        { hostname: "alt.test:8443", reference: "op://API Keys/Nothing/api-key" },
      ],
      names: ["a.example.com"],
    });
  });
  after(() => fixture.stop());
  beforeEach(() => fixture.upstream.reset());

  const host = "Host: api.openai.com";

  /** The record that follows from what `act` does. */
  async function recordOf(act: () => Promise<unknown>): Promise<ActivityRecord> {
    const record = new Promise<ActivityRecord>((resolve) => {
      const end = fixture.gateway.activity.subscribe((next) => {
        end();
        resolve(next);
      });
    });
    await act();
    return record;
  }

  async function ask(wire: WireReader, text: string) {
    wire.send(text);
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  it("has a record per request: who, what, how it went, without query", async () => {
    fixture.gateway.invalidate();
    fixture.upstream.handler = (request, response) => {
      request.resume().once("end", () => response.writeHead(201).end("created"));
    };
    const before = Date.now();
    const record = await recordOf(async () =>
      ask(
        await fixture.open("api.openai.com:443"),
        requestHead("POST /v1/things?token=hidden", host, "Content-Length: 5") + "hello",
      ),
    );
    const { id, at, headMs, totalMs, ...rest } = record;
    assert.deepEqual(rest, {
      kind: "request",
      agent: "onecli",
      method: "POST",
      host: "api.openai.com",
      path: "/v1/things",
      source: "1password",
      status: 201,
      mapping: "api.openai.com",
      cacheHit: false,
      bytesUp: 5,
      bytesDown: 7,
    });
    assert.ok(id > 0 && at >= before - 1 && at <= Date.now());
    assert.ok(headMs > 0 && totalMs >= headMs);
  });

  it("says when the value was at hand, and which mapping was used", async () => {
    const wire = await fixture.open("a.example.com:443");
    const record = await recordOf(() => ask(wire, requestHead("GET /", "Host: a.example.com")));
    assert.deepEqual(
      [record.host, record.mapping, record.cacheHit],
      ["a.example.com", "*.example.com", true],
    );
  });

  it("names the code of a refusal, the port that is not 443, and no cache where there was no value", async () => {
    const wire = await fixture.open("alt.test:8443");
    const record = await recordOf(() => ask(wire, requestHead("GET /x", "Host: alt.test:8443")));
    assert.deepEqual(
      [record.host, record.status, record.error, record.mapping, record.cacheHit, record.bytesDown],
      ["alt.test:8443", 424, "reference-not-found", "alt.test:8443", undefined, 0],
    );
  });

  it("has a request that was misdirected, without a mapping", async () => {
    const wire = await fixture.open("api.openai.com:443");
    const record = await recordOf(() => ask(wire, requestHead("GET /", "Host: evil.com")));
    assert.deepEqual(
      [record.host, record.status, record.error, record.mapping],
      ["api.openai.com", 421, "misdirected", undefined],
    );
  });

  it("has status 0 for a client that left before the answer", async () => {
    fixture.upstream.handler = () => undefined;
    const wire = await fixture.open("api.openai.com:443");
    const record = await recordOf(async () => {
      wire.send(requestHead("GET /", host));
      await fixture.upstream.next();
      wire.socket.destroy();
    });
    assert.deepEqual([record.status, record.error, record.bytesDown], [0, undefined, 0]);
  });

  it("has a refusal, and the bytes until then, for a client that ended in its body", async () => {
    const wire = await fixture.open("api.openai.com:443");
    const record = await recordOf(async () => {
      wire.send(requestHead("POST /", host, "Content-Length: 10") + "half");
      await fixture.upstream.next();
      // Not destroyed: that would be a reset, instead of an end, where something from the gateway is still unread.
      wire.socket.end();
    });
    wire.socket.destroy();
    assert.deepEqual(
      [record.status, record.bytesUp, record.bytesDown, record.error],
      [400, 4, 0, "bad-request"],
    );
  });

  it("has the answer's status, and no error, for a client that left in its body", async () => {
    fixture.upstream.handler = (_request, response) => void response.write("part");
    const wire = await fixture.open("api.openai.com:443");
    const record = await recordOf(async () => {
      wire.send(requestHead("GET /", host));
      await wire.until("part");
      wire.socket.destroy();
    });
    assert.deepEqual([record.status, record.bytesDown, record.error], [200, 4, undefined]);
  });

  it("names the error of an answer that broke off", async () => {
    fixture.upstream.handler = (_request, response) => {
      response.write("part", () => response.socket!.destroy());
    };
    const wire = await fixture.open("api.openai.com:443");
    const record = await recordOf(async () => {
      wire.send(requestHead("GET /", host));
      await wire.closed();
    });
    assert.deepEqual([record.status, record.error], [200, "upstream-unreachable"]);
  });

  it("has a tunnel when it is over, with its bytes and no path", async () => {
    const { wire } = await connectTo(fixture.endpoint, "unmapped.example:443");
    const record = await recordOf(async () => {
      wire.send("no TLS at all");
      await wire.closed();
      wire.socket.destroy();
    });
    assert.deepEqual(
      [record.kind, record.method, record.host, record.path, record.status, record.bytesUp],
      ["tunnel", "CONNECT", "unmapped.example", "", 200, 13],
    );
  });

  it("has a tunnel that was not opened", async () => {
    const wire = await openConnection(fixture.endpoint);
    const text = requestHead("CONNECT nowhere.example:443", basicAuthorization(fixture.endpoint).trimEnd());
    const record = await recordOf(() => ask(wire, text));
    assert.deepEqual([record.kind, record.status, record.error], ["tunnel", 502, "upstream-unreachable"]);
  });

  it("has a plain request that was refused because its host is mapped", async () => {
    const wire = await openConnection(fixture.endpoint);
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    const record = await recordOf(() =>
      ask(wire, requestHead("GET http://api.openai.com/v1?key=hidden", "Host: x", authorization)),
    );
    assert.deepEqual(
      [record.kind, record.host, record.path, record.status, record.error],
      ["request", "api.openai.com:80", "/v1", 403, "insecure-request"],
    );
  });

  it("keeps the last thousand, oldest first, and tells each subscriber until it ends that", async () => {
    let told = 0;
    const end = fixture.gateway.activity.subscribe(() => told++);
    const wire = await fixture.open("api.openai.com:443");
    for (let sent = 0; sent < 1_100; sent += 100) {
      wire.send(requestHead("OPTIONS *", host).repeat(100));
      for (let index = 0; index < 100; index++) {
        assert.equal((await wire.answer()).status, 501);
      }
    }
    wire.send(requestHead("GET /last", host));
    await wire.answer();
    end();
    const records = fixture.gateway.activity.recent();
    assert.equal(records.length, 1_000);
    assert.ok(records.every(({ id }, index) => id === records[0]!.id + index));
    assert.ok(told >= 1_100);
    wire.socket.destroy();
  });
});
