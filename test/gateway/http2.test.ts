import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientHttp2Session, constants, type ServerHttp2Stream } from "node:http2";
import { type Fixture, secrets, startFixture } from "../support/gatewayFixture.ts";
import { answerOf, ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { requestHead } from "../support/wire.ts";

const h1Host = "api.openai.com";
const h2Host = "h2.example.com";

/** Answers by half. Without trailers to wait for, Node may end a stream before it resets it. */
function resetWithin(stream: ServerHttp2Stream, code: number): void {
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", () => undefined);
  stream.write("half", () => stream.close(code));
}

describe("HTTP/2", () => {
  let fixture: Fixture;
  let upstream: Http2UpstreamServer;
  const sessions: ClientHttp2Session[] = [];

  before(async () => {
    fixture = await startFixture({
      mappings: [h1Host, h2Host].map((hostname) => ({
        hostname,
        reference: "op://API Keys/OpenAI/api-key",
      })),
    });
    upstream = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host], {
      maxConcurrentStreams: 20,
    });
    fixture.parent.routes.set(`${h2Host}:443`, upstream.port);
  });
  after(async () => {
    await fixture.stop();
    await upstream.close();
  });
  beforeEach(() => {
    fixture.upstream.reset();
    upstream.reset();
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) {
      session.destroy();
    }
  });

  async function open(host: string): Promise<ClientHttp2Session> {
    const session = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
    sessions.push(session);
    return session;
  }

  async function askByHttp1(text: string) {
    const wire = await fixture.open(`${h2Host}:443`);
    wire.send(text);
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  it("is spoken on both sides: fields, bodies, the secret (contract 24)", async () => {
    upstream.handler = ({ stream }) => {
      const hash = createHash("sha256");
      stream.on("data", (chunk: Buffer) => hash.update(chunk));
      stream.on("end", () => {
        stream.respond({ ":status": 201, "x-twice": ["a", "b"], etag: '"e"' });
        stream.end(hash.digest("hex"));
      });
    };
    const session = await open(h2Host);
    const body = randomBytes(3_000_000);
    const answer = await ask(
      session,
      {
        ":method": "POST",
        ":authority": h2Host,
        ":path": "/v1//x;y?q=%20a",
        "x-one": ["1", "2"],
        authorization: "Bearer placeholder",
      },
      body,
    );
    assert.equal(answer.status, 201);
    assert.equal(answer.body, createHash("sha256").update(body).digest("hex"));
    assert.deepEqual(answer.rawHeaders.slice(2, 8), ["x-twice", "a", "x-twice", "b", "etag", '"e"']);
    assert.deepEqual(upstream.received[0]?.rawHeaders, [
      ":method",
      "POST",
      ":scheme",
      "https",
      ":authority",
      h2Host,
      ":path",
      "/v1//x;y?q=%20a",
      "x-one",
      "1",
      "x-one",
      "2",
      "authorization",
      `Bearer ${secrets.openai}`,
    ]);
  });

  it("serves an HTTP/1.1 client from an upstream that speaks HTTP/2 alone (contract 24)", async () => {
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 200, "x-a": "b" });
      stream.on("data", (chunk: Buffer) => stream.write(chunk));
      stream.on("end", () => stream.end());
    };
    const answer = await askByHttp1(
      `${requestHead("POST /v1/x?y", `Host: ${h2Host}`, "X-Case: Kept", "Connection: X-Gone", "X-Gone: 1", "Content-Length: 4")}ping`,
    );
    assert.deepEqual([answer.status, answer.body, answer.headers["x-a"]], [200, "ping", "b"]);
    const { headers } = upstream.received[0]!;
    assert.deepEqual(
      [
        headers[":path"],
        headers["x-case"],
        headers["x-gone"],
        headers["connection"],
        headers["content-length"],
      ],
      ["/v1/x?y", "Kept", undefined, undefined, "4"],
    );
    assert.equal(headers.authorization, `Bearer ${secrets.openai}`);
  });

  it("serves an HTTP/2 client from an upstream that speaks HTTP/1.1 alone (contract 24)", async () => {
    fixture.upstream.handler = (request, response) => {
      response.writeHead(202, "Fine", ["X-Case", "Kept", "Connection", "close", "Keep-Alive", "timeout=1"]);
      request.pipe(response);
    };
    const session = await open(h1Host);
    const answer = await ask(
      session,
      { ":method": "POST", ":authority": h1Host, ":path": "/v1/x?y", te: "trailers" },
      "ping",
    );
    assert.deepEqual([answer.status, answer.body], [202, "ping"]);
    assert.equal(answer.headers["x-case"], "Kept");
    assert.deepEqual([answer.headers.connection, answer.headers["keep-alive"]], [undefined, undefined]);
    const { rawHeaders, headers, url } = fixture.upstream.received[0]!;
    assert.equal(url, "/v1/x?y");
    assert.equal(headers.host, h1Host);
    assert.equal(headers["te"], "trailers");
    assert.equal(headers.authorization, `Bearer ${secrets.openai}`);
    assert.ok(rawHeaders.every((part) => !part.startsWith(":")));
  });

  it("joins the crumbs of a cookie towards HTTP/1.1 (contract 43)", async () => {
    const session = await open(h1Host);
    await ask(session, { cookie: ["a=1", "b=2", "c=3"] });
    const { rawHeaders } = fixture.upstream.received[0]!;
    assert.equal(rawHeaders.filter((name) => name.toLowerCase() === "cookie").length, 1);
    assert.equal(fixture.upstream.received[0]?.headers.cookie, "a=1; b=2; c=3");
  });

  it("keeps bytes 0x80-0xFF in fields as they are, both ways (contract 26)", async () => {
    upstream.handler = ({ stream, headers }) => {
      stream.respond({ ":status": 200, "x-back": headers["x-there"] });
      stream.end();
    };
    const answer = await ask(await open(h2Host), { "x-there": "caf\u00e9-\u00ff" });
    assert.equal(answer.headers["x-back"], "caf\u00e9-\u00ff");
  });

  for (const [host, name] of [
    [h1Host, "HTTP/1.1"],
    [h2Host, "HTTP/2"],
  ] as const) {
    it(`ends HEAD, 204 and 304 with their head, from an upstream of ${name} (contract 26)`, async () => {
      fixture.upstream.handler = (request, response) => {
        const status = Number(request.url?.slice(1));
        response.writeHead(status, status === 204 ? {} : { "content-length": "10" });
        response.end();
      };
      upstream.handler = ({ stream, headers }) => {
        const status = Number(headers[":path"]?.slice(1));
        stream.respond(
          { ":status": status, ...(status !== 204 && { "content-length": "10" }) },
          { endStream: true },
        );
      };
      const session = await open(host);
      for (const [method, status] of [
        ["HEAD", 200],
        ["GET", 204],
        ["GET", 304],
      ] as const) {
        const answer = await ask(session, { ":method": method, ":path": `/${status}` });
        assert.deepEqual([answer.status, answer.body, answer.code], [status, "", 0]);
      }
    });
  }

  it("refuses another :authority on its stream alone (contract 7, 24)", async () => {
    const session = await open(h2Host);
    const slow = new Promise<void>((resolve) => {
      upstream.handler = ({ stream }) => {
        stream.respond({ ":status": 200 });
        stream.write("begun ");
        resolve();
      };
    });
    const held = session.request({ ":path": "/held" });
    const heldAnswer = answerOf(held);
    await slow;
    for (const authority of ["evil.example", `${h2Host}:8443`, `x.${h2Host}`]) {
      const answer = await ask(session, { ":authority": authority });
      assert.deepEqual([answer.status, answer.headers["x-onecli-error"]], [421, "misdirected"], authority);
    }
    const doubled = await ask(session, { ":authority": h2Host, host: "evil.example" });
    assert.equal(doubled.status, 400);
    assert.equal(upstream.received.length, 1);
    upstream.received[0]?.stream.end("whole");
    assert.equal((await heldAnswer).body, "begun whole");
  });

  it("takes :authority in any spelling of the host, and a Host that agrees (contract 7)", async () => {
    const session = await open(h2Host);
    for (const authority of [h2Host.toUpperCase(), `${h2Host}:443`, `${h2Host}.`]) {
      assert.equal((await ask(session, { ":authority": authority })).status, 200, authority);
    }
    assert.equal((await ask(session, { ":authority": h2Host, host: h2Host })).status, 200);
  });

  it("carries many streams at once, over as many connections as the upstream's limit asks for (contract 24)", async () => {
    upstream.handler = ({ stream, headers }) => {
      stream.respond({ ":status": 200 });
      stream.end(String(headers[":path"]));
    };
    const session = await open(h2Host);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => ask(session, { ":path": `/${index}` })),
    );
    assert.deepEqual(
      answers.map(({ body }) => body),
      answers.map((_, index) => `/${index}`),
    );
    assert.ok(upstream.sessions.size <= 10, `${upstream.sessions.size} connections`);
  });

  it("carries trailers up and down, between HTTP/2 and HTTP/2, as gRPC needs it (contract 13)", async () => {
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      let sum = "";
      stream.on("trailers", (trailers) => (sum = String(trailers["x-sum"])));
      stream.on("data", (chunk: Buffer) => stream.write(chunk));
      stream.on("end", () => stream.end());
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-sum-back": sum }));
    };
    const session = await open(h2Host);
    const stream = session.request(
      {
        ":method": "POST",
        ":path": "/pkg.Service/Method",
        te: "trailers",
        "content-type": "application/grpc",
      },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "abc" }));
    const answer = answerOf(stream);
    stream.write("first ");
    await once(stream, "response");
    stream.end("last");
    const { status, body, trailers, code } = await answer;
    assert.deepEqual([status, body, code], [200, "first last", 0]);
    assert.deepEqual([trailers["grpc-status"], trailers["x-sum-back"]], ["0", "abc"]);
    assert.equal(upstream.received[0]?.headers["te"], "trailers");
  });

  it("carries an answer of gRPC that is trailers alone (contract 13)", async () => {
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 200, "grpc-status": "5", "grpc-message": "gone" }, { endStream: true });
    };
    const answer = await ask(await open(h2Host), { ":method": "POST" }, "x");
    assert.deepEqual([answer.headers["grpc-status"], answer.body, answer.code], ["5", "", 0]);
  });

  it("carries trailers of HTTP/1.1 to HTTP/2 and of HTTP/2 to HTTP/1.1 (contract 13)", async () => {
    fixture.upstream.handler = (request, response) => {
      request.resume();
      request.on("end", () => {
        response.writeHead(200, { trailer: "X-Sum" });
        response.addTrailers({ "X-Sum": `got ${request.trailers["x-up"] ?? "none"}` });
        response.end("body");
      });
    };
    const session = await open(h1Host);
    const stream = session.request(
      { ":method": "POST", ":path": "/", trailer: "x-up" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-up": "there" }));
    stream.end("x");
    const down = await answerOf(stream);
    assert.deepEqual([down.body, down.trailers["x-sum"]], ["body", "got there"]);

    upstream.handler = ({ stream: answer }) => {
      let up = "none";
      answer.on("trailers", (trailers) => (up = String(trailers["x-up"])));
      answer.resume();
      answer.on("end", () => {
        answer.respond({ ":status": 200, trailer: "x-sum" }, { waitForTrailers: true });
        answer.on("wantTrailers", () => answer.sendTrailers({ "x-sum": `got ${up}` }));
        answer.end("body");
      });
    };
    const wire = await fixture.open(`${h2Host}:443`);
    wire.send(
      `${requestHead("POST /", `Host: ${h2Host}`, "Transfer-Encoding: chunked", "Trailer: X-Up")}1\r\nx\r\n0\r\nX-Up: there\r\n\r\n`,
    );
    const head = await wire.head();
    assert.equal(head.headers["trailer"], "x-sum");
    assert.equal(await wire.until("\r\n"), "4\r\n");
    assert.equal(await wire.until("\r\n"), "body\r\n");
    assert.equal(await wire.until("\r\n"), "0\r\n");
    assert.equal(await wire.until("\r\n"), "x-sum: got there\r\n");
    wire.socket.destroy();
  });

  it("passes a stream's reset on to a client of HTTP/2, before its answer and in it", async () => {
    const session = await open(h2Host);
    for (const code of [constants.NGHTTP2_REFUSED_STREAM, constants.NGHTTP2_ENHANCE_YOUR_CALM]) {
      upstream.handler = ({ stream }) => stream.close(code);
      const before = await ask(session, {});
      assert.deepEqual([before.status, before.code], [0, code]);
      upstream.handler = ({ stream }) => {
        resetWithin(stream, code);
      };
      const within = await ask(session, {});
      assert.deepEqual([within.status, within.body, within.code], [200, "half", code]);
    }
    upstream.reset();
    assert.equal((await ask(session, {})).status, 200);
  });

  it("gives a client of HTTP/1.1 a refusal for a stream that was reset, a broken body within one (contract 14)", async () => {
    upstream.handler = ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    const refused = await askByHttp1(requestHead("GET /", `Host: ${h2Host}`));
    assert.deepEqual([refused.status, refused.headers["x-onecli-error"]], [502, "upstream-unreachable"]);
    upstream.handler = ({ stream }) => {
      resetWithin(stream, constants.NGHTTP2_INTERNAL_ERROR);
    };
    await assert.rejects(askByHttp1(requestHead("GET /", `Host: ${h2Host}`)), /ended/);
  });

  it("gives clients of both versions a broken body where the upstream's connection is cut (contract 14)", async () => {
    const halfAnswered = () =>
      new Promise<void>((resolve) => {
        upstream.handler = ({ stream }) => {
          stream.respond({ ":status": 200 });
          stream.write("half", () => resolve());
        };
      });
    let half = halfAnswered();
    const byHttp2 = ask(await open(h2Host), {});
    await half;
    upstream.dropConnections();
    const answer = await byHttp2;
    assert.notEqual(answer.code, 0);
    half = halfAnswered();
    const byHttp1 = askByHttp1(requestHead("GET /", `Host: ${h2Host}`));
    byHttp1.catch(() => undefined);
    await half;
    upstream.dropConnections();
    await assert.rejects(byHttp1, /ended/);
  });

  it("resets the upstream's stream, with the client's code, when the client leaves (contract 14)", async () => {
    const session = await open(h2Host);
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.write("data: 1\n\n");
    };
    const arrived = upstream.next();
    const stream = session.request({ ":path": "/sse" });
    stream.on("error", () => undefined);
    const { stream: above } = await arrived;
    await once(stream, "data");
    stream.close(constants.NGHTTP2_CANCEL);
    await once(above, "close");
    assert.equal(above.rstCode, constants.NGHTTP2_CANCEL);
  });

  it("finishes what runs when the upstream says goodbye, and opens another connection for what comes (contract 27)", async () => {
    const session = await open(h2Host);
    const before = upstream.connections;
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.write("begun ");
    };
    const arrived = upstream.next();
    const running = ask(session, {});
    const { stream } = await arrived;
    stream.session?.close();
    upstream.handler = ({ stream: next }) => {
      next.respond({ ":status": 200 });
      next.end("next");
    };
    assert.ok(stream.session?.closed);
    for (let count = 0; count < 3; count++) {
      const { body, code } = await ask(session, {});
      assert.ok((body === "next" && code === 0) || code === constants.NGHTTP2_REFUSED_STREAM);
    }
    stream.end("whole");
    assert.equal((await running).body, "begun whole");
    assert.ok(upstream.connections > before);
    assert.equal((await ask(session, {})).body, "next");
  });

  it("answers while the client still uploads, and tells it to stop (contract 3)", async () => {
    upstream.handler = ({ stream }) => {
      stream.respond({ ":status": 413 });
      stream.end("too large");
    };
    const session = await open(h2Host);
    const stream = session.request({ ":method": "POST", ":path": "/" });
    stream.write(Buffer.alloc(1000));
    const answer = await answerOf(stream);
    assert.deepEqual([answer.status, answer.body, answer.code], [413, "too large", 0]);
    const mapped = session.request({ ":method": "POST", ":path": "/", ":authority": "evil.example" });
    mapped.write(Buffer.alloc(1000));
    const refused = await answerOf(mapped);
    assert.deepEqual([refused.status, refused.code], [421, 0]);
  });

  it("stalls the upstream of a stalled stream, and no other stream (contract 14)", async () => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024);
    upstream.handler = ({ stream, headers }) => {
      stream.respond({ ":status": 200 });
      if (headers[":path"] !== "/endless") {
        stream.end("quick");
        return;
      }
      const more = () => {
        while (stream.write(chunk)) {
          sent += chunk.length;
        }
        sent += chunk.length;
      };
      stream.on("drain", more);
      more();
    };
    const session = await open(h2Host);
    const stalled = session.request({ ":path": "/endless" });
    stalled.on("error", () => undefined);
    await once(stalled, "response");
    let before = -1;
    while (before !== sent) {
      before = sent;
      for (let count = 0; count < 20; count++) {
        assert.equal((await ask(session, { ":path": "/quick" })).body, "quick");
      }
    }
    assert.ok(sent < 4 * 1024 * 1024, `${sent} bytes are under way`);
    stalled.close();
  });

  it("opens no connection for each of 3,000 streams that were reset while they waited (contract 44)", async () => {
    for (const host of [h1Host, h2Host]) {
      const before = host === h1Host ? fixture.upstream.connections : upstream.connections;
      const held = fixture.parent.hold();
      fixture.upstream.dropConnections();
      upstream.dropConnections();
      let session = await open(host);
      for (let count = 0; count < 3000; count++) {
        if (session.closed || session.destroyed) {
          // Resets beyond a rate end the connection; a client opens the next.
          session = await open(host);
        }
        const stream = session.request({ ":path": `/${count}` });
        stream.on("error", () => undefined);
        stream.close(constants.NGHTTP2_CANCEL);
      }
      held.release();
      session = await open(host);
      assert.equal((await ask(session, { ":path": "/after" })).status, 200);
      const opened = (host === h1Host ? fixture.upstream.connections : upstream.connections) - before;
      assert.ok(opened <= 130, `${opened} connections`);
    }
  });

  it("answers CONNECT and TRACE inside the TLS with 405 (contract 7, 11)", async () => {
    const session = await open(h2Host);
    const connect = session.request({ ":method": "CONNECT", ":authority": `${h2Host}:443` });
    assert.equal((await answerOf(connect)).status, 405);
    assert.equal((await ask(session, { ":method": "TRACE" })).status, 405);
    assert.equal(upstream.received.length, 0);
  });

  it("leaves nothing of a secret in an error, and every error has its form (contract 4)", async () => {
    fixture.service.revoke();
    fixture.gateway.invalidate();
    const answer = await ask(await open(h2Host), {});
    fixture.service.restore();
    fixture.gateway.invalidate();
    assert.deepEqual(
      [answer.status, answer.headers["x-onecli-error"], answer.headers["x-should-retry"]],
      [424, "token-invalid", "false"],
    );
    assert.ok(!JSON.stringify(answer).includes(secrets.openai));
  });
});
