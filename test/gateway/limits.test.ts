import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { assertRefusal, connectTo, openConnection, requestHead } from "../support/wire.ts";

describe("limits", () => {
  let fixture: Fixture;
  const target = "api.openai.com:443";
  const host = "Host: api.openai.com";
  before(async () => (fixture = await startFixture({ limits: { first: 300, next: 300 } })));
  after(() => fixture.stop());
  beforeEach(() => fixture.upstream.reset());
  afterEach("the gateway still serves", async () => {
    fixture.upstream.reset();
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", host));
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
  });

  /** An intercepted connection, and one to the listener itself. */
  const places = [
    ["inside the TLS", () => fixture.open(target)],
    ["on the listener", () => openConnection(fixture.endpoint)],
  ] as const;

  for (const [where, open] of places) {
    it(`closes a connection that says nothing ${where} (contract 18)`, async () => {
      const wire = await open();
      assertRefusal(await wire.answer(), 408, "request-timeout");
      await wire.closed();
      wire.socket.destroy();
    });

    it(`closes a connection with half a head ${where} (contract 18)`, async () => {
      const wire = await open();
      wire.send(`GET / HTTP/1.1\r\n${host}\r\nX: `);
      assertRefusal(await wire.answer(), 408, "request-timeout");
      await wire.closed();
      wire.socket.destroy();
    });

    it(`closes a connection whose next head does not come ${where} (contract 18)`, async () => {
      const wire = await open();
      wire.send(requestHead("GET /", host));
      await wire.answer();
      wire.send("GET /next HTT");
      await wire.closed();
      wire.socket.destroy();
    });

    it(`is not misled by a head that comes byte by byte ${where} (contract 18)`, async () => {
      const wire = await open();
      wire.send(`GET / HTTP/1.1\r\n${host}\r\nX: `);
      const trickle = setInterval(() => wire.send("x"), 20);
      assertRefusal(await wire.answer(), 408, "request-timeout");
      clearInterval(trickle);
      wire.socket.destroy();
    });

    it(`answers a header block of 100 KB with 431 ${where} (contract 18)`, async () => {
      const wire = await open();
      wire.send(requestHead("GET /", host, `X: ${"x".repeat(100_000)}`));
      assertRefusal(await wire.answer(), 431, "header-too-large");
      await wire.closed();
      wire.socket.destroy();
    });

    it(`answers a head that its client ends in the middle ${where} with 400`, async () => {
      const wire = await open();
      wire.send(`GET / HTTP/1.1\r\n${host}\r\nX: `);
      wire.socket.end();
      assertRefusal(await wire.answer(), 400, "bad-request");
      await wire.closed();
    });

    const malformed: readonly (readonly [string, string])[] = [
      ["garbage", "\x16\x03\x01 hello\r\n\r\n"],
      [
        "Content-Length beside Transfer-Encoding",
        requestHead("POST /", host, "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n",
      ],
      ["two Content-Length", requestHead("POST /", host, "Content-Length: 3", "Content-Length: 4") + "abcd"],
      ["a Content-Length that is none", requestHead("POST /", host, "Content-Length: +3") + "abc"],
      ["a folded field", requestHead("GET /", host, "X: a", " b")],
      ["a blank before the colon", requestHead("GET /", host, "X : a")],
      ["a NUL in a field", requestHead("GET /", host, "X: a\0b")],
      ["a bare CR in a field", requestHead("GET /", host, "X: a\rb")],
      ["a line that ends in LF alone", `GET / HTTP/1.1\n${host}\n\n`],
      [
        "an unknown transfer coding last",
        requestHead("POST /", host, "Transfer-Encoding: chunked, gzip") + "0\r\n\r\n",
      ],
      ["an unknown method", requestHead("FOO /", host)],
      ["a blank in the target", requestHead("GET /a b", host)],
      ["another version", `GET / HTTP/3.7\r\n${host}\r\n\r\n`],
      ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ];
    for (const [what, text] of malformed) {
      it(`answers ${what} ${where} with 400 and closes`, async () => {
        const wire = await open();
        wire.send(text);
        assertRefusal(await wire.answer(), 400, "bad-request");
        await wire.closed();
        wire.socket.destroy();
        assert.equal(fixture.upstream.received.length, 0);
      });
    }
  }

  it("passes a header block of 60 KB both ways (contract 18)", async () => {
    const value = "x".repeat(60_000);
    fixture.upstream.handler = (_request, response) => void response.setHeader("x-large", value).end("ok");
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", host, `X-Large: ${value}`));
    const answer = await wire.answer();
    assert.deepEqual([answer.status, answer.headers["x-large"]], [200, value]);
    assert.equal(fixture.upstream.received[0]?.headers["x-large"], value);
    wire.socket.destroy();
  });

  for (const [what, body] of [
    ["a chunk size that is none", "zz\r\nabc\r\n0\r\n\r\n"],
    ["a chunk longer than it says", "2\r\nabc\r\n0\r\n\r\n"],
    ["an endless chunk size", `${"f".repeat(40)}\r\nabc`],
  ] as const) {
    it(`answers ${what} with 400, aborts the upstream and closes`, async () => {
      const aborted = new Promise<void>((resolve) => {
        fixture.upstream.handler = (request) => void request.once("close", () => resolve());
      });
      const wire = await fixture.open(target);
      wire.send(requestHead("POST /", host, "Transfer-Encoding: chunked") + "3\r\nabc\r\n");
      await fixture.upstream.next();
      wire.send(body);
      assertRefusal(await wire.answer(), 400, "bad-request");
      await wire.closed();
      wire.socket.destroy();
      await aborted;
    });
  }

  it("answers a body that its client ends in the middle with 400, and aborts the upstream", async () => {
    const aborted = new Promise<void>((resolve) => {
      fixture.upstream.handler = (request) => void request.once("close", () => resolve());
    });
    const wire = await fixture.open(target);
    wire.send(requestHead("POST /", host, "Content-Length: 10") + "half");
    await fixture.upstream.next();
    wire.socket.end();
    assertRefusal(await wire.answer(), 400, "bad-request");
    await Promise.all([wire.closed(), aborted]);
  });

  it("closes a TLS handshake that is not finished (contract 18)", async () => {
    const silent = await connectTo(fixture.endpoint, target);
    assert.equal(silent.answer.status, 200);
    const started = await connectTo(fixture.endpoint, target);
    // The beginning of a ClientHello, and no more.
    started.wire.socket.write(Buffer.from("16030102000100", "hex"));
    await Promise.all([silent.wire.closed(), started.wire.closed()]);
    silent.wire.socket.destroy();
    started.wire.socket.destroy();
  });

  it("closes a connection whose handshake is nonsense", async () => {
    const { wire } = await connectTo(fixture.endpoint, target);
    wire.send("GET / HTTP/1.1\r\n\r\n");
    await wire.closed();
    wire.socket.destroy();
  });

  it("lets an answer and an upload take longer than a head may (contract 18)", async () => {
    let answer: (() => void) | undefined;
    fixture.upstream.handler = (_request, response) => (answer = () => void response.end("late"));
    const late = await openConnection(fixture.endpoint);
    const wire = await fixture.open(target);
    wire.send(requestHead("POST /", host, "Content-Length: 2"));
    wire.send("o");
    await fixture.upstream.next();
    // Its time begins now and is the same as that of the request's head would be.
    assert.equal((await late.answer()).status, 408);
    wire.send("k");
    answer!();
    assert.equal((await wire.answer()).body, "late");
    wire.socket.destroy();
    late.socket.destroy();
  });

  it("gives half a head behind a request the time of that request's answer, and no more (contract 18)", async () => {
    let answer: (() => void) | undefined;
    fixture.upstream.handler = (_request, response) => (answer = () => void response.end("late"));
    const wire = await fixture.open(target);
    const arrived = fixture.upstream.next();
    wire.send(`${requestHead("GET /", host)}GET /next HTTP/1.1\r\n${host}\r\nX: `);
    await arrived;
    const late = await openConnection(fixture.endpoint);
    assert.equal((await late.answer()).status, 408);
    answer!();
    assert.equal((await wire.answer()).body, "late");
    await wire.closed();
    wire.socket.destroy();
    late.socket.destroy();
  });

  it("does not close a tunnel that is quiet (contract 18)", async () => {
    const { wire } = await connectTo(fixture.endpoint, "unmapped.example:443");
    const late = await openConnection(fixture.endpoint);
    assert.equal((await late.answer()).status, 408);
    wire.socket.removeAllListeners("data");
    const ca = fixture.upstreamAuthority.certificate;
    const socket = connectTls({ socket: wire.socket, ca, servername: "unmapped.example" });
    await once(socket, "secureConnect");
    socket.destroy();
    late.socket.destroy();
  });

  it("asks for a credential before it reads a body (contract 3)", async () => {
    const wire = await openConnection(fixture.endpoint);
    wire.send(requestHead("POST http://unmapped.example/", "Host: x", "Content-Length: 1000000"));
    assertRefusal(await wire.answer(), 407, "proxy-authentication-required");
    wire.socket.destroy();
  });
});
