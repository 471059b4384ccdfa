import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo } from "node:net";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, mappingsOf, secrets, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { LeadingProxy } from "../support/leadingProxy.ts";
import { parentKinds, startParent, wantLogin } from "../support/parents.ts";
import { SocksProxy } from "../support/socksProxy.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { echoServer, handshakeOf, openWebSocket } from "../support/webSocket.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
  type WireAnswer,
} from "../support/wire.ts";

const reference = "op://API Keys/OpenAI/api-key";
const mappings = [{ hostname: "api.openai.com", reference }];

/** GET through a tunnel of a mapped host. */
async function askMapped(fixture: Fixture, target = "api.openai.com:443"): Promise<WireAnswer> {
  const wire = await fixture.open(target);
  wire.send(requestHead("GET /v1/models", `Host: ${target}`));
  const answer = await wire.answer();
  wire.socket.destroy();
  return answer;
}

/** A CONNECT that is not answered with 200. */
async function refusedTunnel({ endpoint }: Fixture, target = "tunnel.example:443"): Promise<WireAnswer> {
  const wire = await openConnection(endpoint);
  wire.send(requestHead(`CONNECT ${target}`, `Host: ${target}`, basicAuthorization(endpoint).trimEnd()));
  const answer = await wire.answer();
  await wire.closed();
  return answer;
}

async function askPlain({ endpoint }: Fixture, url: string): Promise<WireAnswer> {
  const wire = await openConnection(endpoint);
  const { host } = new URL(url);
  wire.send(requestHead(`GET ${url}`, `Host: ${host}`, basicAuthorization(endpoint).trimEnd()));
  const answer = await wire.answer();
  wire.socket.destroy();
  return answer;
}

for (const kind of parentKinds) {
  describe(`a parent proxy of the kind ${kind}`, () => {
    let authority: TestAuthority;
    let parent: LeadingProxy | SocksProxy;
    let target: RawServer;
    let fixture: Fixture;
    const limited: Fixture[] = [];
    const more: (() => Promise<void>)[] = [];

    before(async () => {
      authority = await TestAuthority.create("Company CA");
      target = await RawServer.start();
    });
    after(() => target.close());
    beforeEach(async () => {
      parent = await startParent(kind, authority);
      fixture = await through(parent.url);
      parent.routes.set("api.openai.com:443", fixture.upstream.port);
      parent.routes.set("tunnel.example:443", target.port);
    });
    afterEach(async () => {
      await Promise.all([
        ...limited.splice(0).map((one) => one.stop()),
        ...more.splice(0).map((end) => end()),
      ]);
      await parent.close();
    });

    /** A gateway behind the proxy of this URL, which reaches 1Password, on 127.0.0.1, without it. */
    async function through(url: string, options: Parameters<typeof startFixture>[0] = {}): Promise<Fixture> {
      const one = await startFixture({
        mappings,
        upstreamAuthority: authority,
        parentProxy: parseParentProxy(url),
        noProxy: ["127.0.0.1"],
        ...options,
      });
      limited.push(one);
      return one;
    }

    /** The messages of a tunnel, an intercepted and a plain request that all failed for the parent's sake. */
    async function refusals(of = fixture, plain = false): Promise<string[]> {
      const answers = [await refusedTunnel(of), await askMapped(of)];
      if (plain) {
        answers.push(await askPlain(of, "http://plain.test/"));
      }
      return answers.map((answer) => assertRefusal(answer, 502, "upstream-unreachable"));
    }

    function withLogin(login: string): string {
      return parent.url.replace("://", `://${login}@`);
    }

    it("carries tunnels, either side of which may finish first (contracts 23, 41)", async () => {
      for (const first of ["client", "server"] as const) {
        const { wire: client, answer } = await connectTo(fixture.endpoint, "tunnel.example:443");
        assert.equal(answer.status, 200);
        const server = await target.next();
        client.send("\0question\xff");
        assert.equal((await server.bytes(10)).toString("latin1"), "\0question\xff");
        const [one, other] = first === "client" ? [client, server] : [server, client];
        one.socket.end("last words");
        assert.equal(await other.rest(), "last words");
        other.socket.end("answer");
        assert.equal(await one.rest(), "answer");
      }
      assert.deepEqual(parent.asked, ["tunnel.example:443", "tunnel.example:443"]);
      await parent.idle();
    });

    it("loses nothing of a host that speaks at once (contract 23)", async () => {
      parent.glued = "220 ready\r\n";
      const { wire } = await connectTo(fixture.endpoint, "tunnel.example:443");
      const server = await target.next();
      server.send("250 go on\r\n");
      assert.equal(await wire.until("on\r\n"), "220 ready\r\n250 go on\r\n");
      wire.socket.destroy();
      await server.closed();
      server.socket.destroy();
      await parent.idle();
    });

    it("carries intercepted requests, many of them over one connection (contracts 23, 41)", async () => {
      for (let count = 0; count < 3; count++) {
        assert.equal((await askMapped(fixture)).status, 200);
      }
      const sent = fixture.upstream.received.map(({ headers }) => headers.authorization);
      assert.deepEqual(sent, Array(3).fill(`Bearer ${secrets.openai}`));
      assert.deepEqual(parent.asked, ["api.openai.com:443"]);
    });

    it("carries WebSockets, and is let go when they end (contracts 23, 25, 41)", async () => {
      const echo = echoServer();
      const tokens: (string | undefined)[] = [];
      fixture.upstream.onUpgrade = (request, socket, head) => {
        tokens.push(request.headers.authorization);
        echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
      };
      const { certificate: ca } = fixture.pems;
      const { socket } = await openWebSocket(fixture.endpoint, "api.openai.com", { ca });
      assert.equal((await handshakeOf(socket)).status, 101);
      socket.send("question");
      const [data] = (await once(socket, "message")) as [Buffer];
      assert.equal(data.toString(), "question");
      socket.close(1000);
      await once(socket, "close");
      assert.deepEqual(tokens, [`Bearer ${secrets.openai}`]);
      assert.deepEqual(parent.asked, ["api.openai.com:443"]);
      await parent.idle();
    });

    it("carries HTTP/2, many streams over one connection (contracts 23, 24, 41)", async () => {
      const server = await Http2UpstreamServer.start(authority, ["api.openai.com"]);
      more.push(() => server.close());
      parent.routes.set("api.openai.com:443", server.port);
      const session = await openHttp2(fixture.endpoint, "api.openai.com:443", fixture.pems.certificate);
      const one = () => ask(session, { ":method": "POST", ":authority": "api.openai.com" }, "ping");
      const answers = [await one(), ...(await Promise.all([one(), one(), one()]))];
      assert.deepEqual(
        answers.map(({ status, body }) => [status, body]),
        Array(4).fill([200, '{"ok":true}']),
      );
      const sent = server.received.map(({ headers }) => headers.authorization);
      assert.deepEqual(sent, Array(4).fill(`Bearer ${secrets.openai}`));
      assert.equal(server.connections, 1);
      assert.deepEqual(parent.asked, ["api.openai.com:443"]);
      session.destroy();
    });

    it("that refuses, refuses WebSockets and HTTP/2 by name, and nothing stays open (contract 29)", async () => {
      parent.routes.delete("api.openai.com:443");
      const { certificate: ca } = fixture.pems;
      const { socket, tls } = await openWebSocket(fixture.endpoint, "api.openai.com", { ca });
      const refused = await handshakeOf(socket);
      assert.equal(refused.status, 426);
      assert.match(refused.body, /The parent proxy (answered|refused) .*cannot reach/);
      tls.destroy();
      const session = await openHttp2(fixture.endpoint, "api.openai.com:443", ca);
      const answer = await ask(session, { ":authority": "api.openai.com" });
      assert.equal(answer.status, 502);
      assert.match(answer.body, /The parent proxy (answered|refused) .*cannot reach/);
      session.destroy();
      await parent.idle();
    });

    it("carries plain http in the form that it takes (contracts 23, 41)", async () => {
      const server = createServer((request: IncomingMessage, response) => {
        response.end(JSON.stringify([request.url, request.headers.host]));
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      more.push(async () => {
        server.close();
        await once(server, "close");
      });
      parent.routes.set("plain.test:80", (server.address() as AddressInfo).port);
      const { status, body } = await askPlain(fixture, "http://plain.test/a?b");
      assert.deepEqual([status, body], [200, '["/a?b","plain.test"]']);
      assert.deepEqual(parent.asked, [kind === "socks5" ? "plain.test:80" : "http://plain.test/a?b"]);
      server.closeAllConnections();
    });

    it("that wants a login is named, and how to give it one (contract 29)", async () => {
      wantLogin(parent, "user", "password");
      for (const message of await refusals(fixture, true)) {
        assert.match(message, /The parent proxy .*wants a login, so put user:password@ before the host/);
      }
      await parent.idle();
    });

    it("that does not accept the login is named, without the login (contract 29)", async () => {
      wantLogin(parent, "user", "password");
      for (const message of await refusals(await through(withLogin("user:S3CR3T")), true)) {
        assert.match(message, /The parent proxy .*does not accept the user name and password/);
        assert.doesNotMatch(message, /S3CR3T/);
      }
      await parent.idle();
    });

    it("gets its login, percent-decoded (contract 23)", async () => {
      wantLogin(parent, "us er@company", "p@ss:wörd/%");
      const known = await through(withLogin("us%20er%40company:p%40ss%3Aw%C3%B6rd%2F%25"));
      parent.routes.set("api.openai.com:443", known.upstream.port);
      assert.equal((await askMapped(known)).status, 200);
      const { wire, answer } = await connectTo(known.endpoint, "tunnel.example:443");
      assert.equal(answer.status, 200);
      (await target.next()).send("hello");
      assert.equal((await wire.bytes(5)).toString(), "hello");
      wire.socket.destroy();
      // A login does no harm where none is wanted.
      if (parent instanceof SocksProxy) {
        parent.login = undefined;
        assert.equal((await askMapped(known)).status, 200);
      }
      assert.ok(!JSON.stringify(known.logger.lines).includes("p@ss"));
    });

    const refused: readonly (readonly [http: number, socks: number, RegExp])[] = [
      [403, 2, /does not allow that/],
      [502, 4, /cannot reach that host/],
      [504, 3, /cannot reach/],
      [418, 9, /answered 418|number 9/],
    ];
    for (const [status, reply, reason] of refused) {
      it(`that answers ${kind === "socks5" ? reply : status} is named, with the reason (contract 29)`, async () => {
        if (parent instanceof SocksProxy) {
          parent.replyWith = reply;
        } else {
          parent.refuseWith = status;
        }
        for (const message of await refusals()) {
          assert.match(message, /The parent proxy (answered|refused)/);
          assert.match(message, reason);
        }
        await parent.idle();
      });
    }

    it("that is not there is named (contract 29)", async () => {
      const gone = await RawServer.start();
      const url = parent.url.replace(/\d+$/, String(gone.port));
      await gone.close();
      for (const message of await refusals(await through(url), true)) {
        assert.match(message, /The parent proxy cannot be reached \(127\.0\.0\.1:\d+, connection refused\)/);
      }
      const nowhere = await through(`${parent.url.split("://")[0]!}://nowhere.invalid:3128`);
      for (const message of await refusals(nowhere, true)) {
        assert.match(message, /The parent proxy cannot be reached \(nowhere\.invalid:3128, the name /);
      }
    });

    const nonsense: readonly (readonly [string, string, RegExp])[] = [
      ["garbage", "SSH-2.0-OpenSSH_9.6\r\n", /no HTTP|no SOCKS 5/],
      ["nothing", "", /closed the connection/],
      ["less than an answer", kind === "socks5" ? "\x05" : "HTTP/1.1 200", /closed the connection|no HTTP/],
      [
        "a head without an end",
        kind === "socks5" ? "\x05\x00\x05\x00" : `HTTP/1.1 200 OK\r\nX: ${"x".repeat(99_999)}`,
        /closed|no HTTP/,
      ],
      [
        "an answer of another kind",
        kind === "socks5" ? "HTTP/1.1 400 Bad Request\r\n\r\n" : "\x05\x00",
        /no HTTP|no SOCKS 5/,
      ],
    ];
    for (const [what, bytes, reason] of nonsense) {
      it(`that answers with ${what} is named (contract 29)`, async () => {
        parent.answerWith = bytes;
        for (const message of await refusals()) {
          assert.match(message, /The parent proxy /);
          assert.match(message, reason);
        }
        await parent.idle();
      });
    }

    it("that hangs is given up when the time is over (contract 29)", async () => {
      parent.silent = true;
      const impatient = await through(parent.url, { limits: { connect: 300 } });
      const url = "http://plain.test/";
      const answers = [await refusedTunnel(impatient), await askMapped(impatient)];
      for (const answer of kind === "socks5" ? [...answers, await askPlain(impatient, url)] : answers) {
        assert.match(assertRefusal(answer, 504, "upstream-timeout"), /through the parent proxy within/);
      }
      await parent.idle();
    });

    it("is let go when the client leaves before there is an answer (contract 14)", async () => {
      parent.silent = true;
      const wire = await openConnection(fixture.endpoint);
      const asked = parent.nextAsked();
      const head = requestHead("CONNECT tunnel.example:443", basicAuthorization(fixture.endpoint).trimEnd());
      wire.send(head);
      await asked;
      wire.tcp.resetAndDestroy();
      await parent.idle();
    });

    it("is let go when the gateway stops (contract 19)", async () => {
      parent.silent = true;
      const wire = await openConnection(fixture.endpoint);
      const asked = parent.nextAsked();
      wire.send(requestHead("CONNECT tunnel.example:443", basicAuthorization(fixture.endpoint).trimEnd()));
      await asked;
      await fixture.gateway.stop();
      await parent.idle();
      await wire.closed();
    });

    it("is left out for what noProxy names: tunnels, mapped hosts, plain http (contract 42)", async () => {
      const { port } = fixture.upstream;
      const direct = await through(parent.url, {
        noProxy: [`127.0.0.1:${target.port}`, "127.0.0.0/8 , nonsense/99"],
      });
      direct.gateway.setMappings(mappingsOf([{ hostname: `127.0.0.1:${port}`, reference }]));
      parent.askedLocally.length = 0;
      assert.equal((await askMapped(direct, `127.0.0.1:${port}`)).status, 200);
      assert.equal(fixture.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
      const { wire, answer } = await connectTo(direct.endpoint, `127.0.0.1:${target.port}`);
      assert.equal(answer.status, 200);
      wire.socket.end("past the proxy");
      const server = await target.next();
      assert.equal(await server.rest(), "past the proxy");
      server.socket.end();
      const plain = askPlain(direct, `http://127.0.0.1:${target.port}/x`);
      const request = await target.next();
      assert.match(await request.until("\r\n\r\n"), /^GET \/x HTTP\/1\.1\r\n/);
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      assert.equal((await plain).body, "ok");
      assert.deepEqual([parent.asked, parent.askedLocally], [[], []]);
      const warnings = direct.logger.lines.filter((line) => line.startsWith("warn"));
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^warn "nonsense\/99" in noProxy/);
    });
  });
}

describe("a SOCKS proxy", () => {
  let parent: SocksProxy;
  let fixture: Fixture;
  before(async () => {
    parent = await SocksProxy.start();
    fixture = await startFixture({
      mappings,
      parentProxy: parseParentProxy(parent.url.replace("socks5:", "socks5h:")),
    });
  });
  after(async () => {
    await fixture.stop();
    await parent.close();
  });

  it("gets a name as a name, and an address as an address (contract 41)", async () => {
    const server = await RawServer.start();
    const targets = [
      "nowhere.invalid:443",
      "10.11.12.13:8443",
      "[2001:db8::12:3456]:443",
      "[::]:1",
      "[1:2:3:4:5:6:7:8]:65535",
    ];
    for (const target of targets) {
      parent.routes.set(target, server.port);
      const { wire, answer } = await connectTo(fixture.endpoint, target);
      assert.equal(answer.status, 200, target);
      wire.socket.destroy();
      await (await server.next()).closed();
    }
    assert.deepEqual(parent.asked, targets);
    assert.deepEqual(parent.types, [3, 1, 4, 4, 4]);
    await server.close();
  });
});

describe("the certificate of an https parent proxy", () => {
  const day = 24 * 60 * 60_000;
  const at = (days: number) => new Date(Date.now() + days * day);
  const rows: readonly (readonly [
    string,
    (own: TestAuthority, other: TestAuthority) => Promise<{ key: string; cert: string }>,
    RegExp,
  ])[] = [
    [
      "has expired",
      (own) => own.issue({ names: ["127.0.0.1"], notBefore: at(-3), notAfter: at(-2) }),
      /it has expired\./,
    ],
    ["is for another name", (own) => own.issue({ names: ["other.test"] }), /it is for another host name\./],
    [
      "has an unknown issuer",
      (_own, other) => other.issue({ names: ["127.0.0.1"] }),
      /its issuer is unknown \(name its authority in extraCaCertificates\)/,
    ],
    [
      "is self-signed",
      () => TestAuthority.selfSigned(["127.0.0.1"]),
      /it is self-signed, .*extraCaCertificates/,
    ],
  ];
  for (const [what, issue, reason] of rows) {
    it(`is refused when it ${what}, even under NODE_TLS_REJECT_UNAUTHORIZED=0 (contracts 29, 31, 41)`, async () => {
      const own = await TestAuthority.create("Own");
      const parent = await LeadingProxy.start(await issue(own, await TestAuthority.create("Other")), false);
      const fixture = await startFixture({
        mappings,
        upstreamAuthority: own,
        parentProxy: parseParentProxy(parent.url.replace("https://", "https://user:S3CR3T@")),
        noProxy: ["127.0.0.1"],
      });
      const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
      try {
        const answers = [
          await refusedTunnel(fixture),
          await askMapped(fixture),
          await askPlain(fixture, "http://plain.test/"),
        ];
        for (const answer of answers) {
          const message = assertRefusal(answer, 502, "upstream-unreachable");
          assert.match(message, /The parent proxy's certificate was refused: /);
          assert.match(message, reason);
        }
      } finally {
        delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
        if (before !== undefined) {
          process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
        }
      }
      assert.deepEqual(parent.asked, []);
      await parent.idle();
      await fixture.stop();
      await parent.close();
    });
  }

  it("is not there where the proxy speaks no TLS (contract 29)", async () => {
    const parent = await LeadingProxy.start();
    const fixture = await startFixture({
      mappings,
      parentProxy: parseParentProxy(parent.url.replace("http:", "https:")),
    });
    const message = assertRefusal(await refusedTunnel(fixture), 502, "upstream-unreachable");
    assert.match(message, /No TLS connection to the parent proxy .*of the kind https\?/);
    await parent.idle();
    await fixture.stop();
    await parent.close();
  });
});
