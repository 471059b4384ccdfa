import assert from "node:assert/strict";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { requestHead, type WireReader } from "../support/wire.ts";

describe("bodies and their order", () => {
  let fixture: Fixture;
  let wire: WireReader;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(async () => {
    fixture.upstream.reset();
    wire = await fixture.open("api.openai.com:443");
  });
  afterEach(() => wire.socket.destroy());

  const host = "Host: api.openai.com";

  /** Sends a head and what follows it; the answer, and the request as the upstream got it. */
  async function ask(head: string, body = "", bodiless = false) {
    wire.send(head + body);
    const answer = await wire.answer({ bodiless });
    return { answer, received: fixture.upstream.received.at(-1)! };
  }

  it("answers pipelined requests in order, each after the one before it (contract 12)", async () => {
    let isBusy = false;
    fixture.upstream.handler = (request, response) => {
      assert.equal(isBusy, false);
      isBusy = true;
      request.resume();
      request.once("end", () => {
        isBusy = false;
        response.end(`answer to ${request.method ?? ""} ${request.url ?? ""}`);
      });
    };
    const get = (index: number) => requestHead(`GET /${index}`, host);
    const post = (index: number) => `${requestHead(`POST /${index}`, host, "Content-Length: 3")}abc`;
    wire.send(`\r\n${get(0)}${post(1)}${get(2)}${post(3)}${post(4)}GET /5`);
    for (const line of ["GET /0", "POST /1", "GET /2", "POST /3", "POST /4"]) {
      assert.equal((await wire.answer()).body, `answer to ${line}`);
    }
    wire.send(get(5).slice("GET /5".length));
    assert.equal((await wire.answer()).body, "answer to GET /5");
  });

  it("keeps little of what is pipelined, and answers all of it (contracts 12, 14)", async () => {
    let release: (() => void) | undefined;
    fixture.upstream.handler = (request, response) => {
      const answer = () => void response.end(request.url);
      if (request.url === "/0") {
        release = answer;
      } else {
        answer();
      }
    };
    const arrived = fixture.upstream.next();
    const count = 3000;
    const filler = `X-Filler: ${"x".repeat(2000)}`;
    const all = Array.from({ length: count }, (_, index) => requestHead(`GET /${index}`, host, filler)).join(
      "",
    );
    wire.send(all);
    await arrived;
    // What the gateway does not read stays here, or in between.
    assert.ok(wire.socket.writableLength > 0);
    release!();
    for (let index = 0; index < count; index++) {
      assert.equal((await wire.answer()).body, `/${index}`);
    }
  });

  it("gives each of many pipelined uploads its own body, whenever its answer and its secret come (contract 12)", async () => {
    const bodies: Promise<Buffer>[] = [];
    fixture.upstream.handler = (request, response) => {
      bodies.push(fixture.upstream.received.at(-1)!.body);
      const index = Number(request.url?.slice(1));
      if (index % 2 === 0) {
        // The next one's secret has to be asked for.
        fixture.gateway.invalidate();
      }
      if (index % 3 === 0) {
        response.end("early");
      } else {
        request.once("end", () => response.end("late"));
      }
    };
    const count = 60;
    const bodyOf = (index: number) => `body of ${index} `.repeat(1 + (index % 5) * 2000);
    for (let index = 0; index < count; index++) {
      const body = bodyOf(index);
      wire.send(
        index % 4 === 0
          ? `${requestHead(`POST /${index}`, host, "Transfer-Encoding: chunked")}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
          : `${requestHead(`POST /${index}`, host, `Content-Length: ${body.length}`)}${body}`,
      );
    }
    for (let index = 0; index < count; index++) {
      assert.equal((await wire.answer()).body, index % 3 === 0 ? "early" : "late");
    }
    for (const [index, body] of bodies.entries()) {
      if (index % 3 !== 0) {
        assert.equal((await body).toString(), bodyOf(index));
      }
    }
  });

  it("passes chunked bodies byte for byte both ways (contract 12)", async () => {
    fixture.upstream.handler = (request, response) => void request.pipe(response);
    const { answer, received } = await ask(
      requestHead("POST /", host, "Transfer-Encoding: chunked"),
      "3;ext=1\r\nabc\r\n1\r\n\u00ff\r\n0\r\n\r\n",
    );
    assert.equal((await received.body).toString("latin1"), "abc\u00ff");
    assert.equal(answer.body, "abc\u00ff");
    assert.equal(answer.headers["transfer-encoding"], "chunked");
  });

  it("keeps the length of a body that has one (contract 12)", async () => {
    fixture.upstream.handler = (request, response) => {
      response.setHeader("content-length", 4);
      request.pipe(response);
    };
    const { answer, received } = await ask(requestHead("POST /", host, "Content-Length: 4"), "a\0\r\n");
    assert.deepEqual([received.headers["content-length"], answer.headers["content-length"]], ["4", "4"]);
    assert.equal(received.headers["transfer-encoding"], undefined);
    assert.equal(answer.body, "a\0\r\n");
  });

  const bodiless: readonly (readonly [string, string, (response: ServerResponse) => void])[] = [
    [
      "a HEAD answer with Content-Length",
      "HEAD",
      (response) => void response.setHeader("content-length", 1234).end(),
    ],
    ["a HEAD answer without one", "HEAD", (response) => void response.end()],
    [
      "a 304 with Content-Length",
      "GET",
      (response) => void response.writeHead(304, { "content-length": 1234, etag: '"x"' }).end(),
    ],
    ["a 304 without one", "GET", (response) => void response.writeHead(304).end()],
    ["a 204", "DELETE", (response) => void response.writeHead(204).end()],
  ];
  for (const [what, method, reply] of bodiless) {
    it(`ends ${what} at its head, on a connection that goes on (contract 26)`, async () => {
      let length: unknown;
      fixture.upstream.handler = (_request: IncomingMessage, response) => {
        reply(response);
        length = response.getHeader("content-length");
      };
      const { answer } = await ask(requestHead(`${method} /`, host), "", true);
      assert.equal(answer.headers["transfer-encoding"], undefined);
      if (what.includes("with Content-Length")) {
        assert.equal(answer.headers["content-length"], "1234", String(length));
      }
      fixture.upstream.reset();
      assert.equal((await ask(requestHead("GET /next", host))).answer.body, '{"ok":true}');
      assert.deepEqual(
        fixture.upstream.received.map(({ url }) => url),
        ["/next"],
      );
    });
  }
});
