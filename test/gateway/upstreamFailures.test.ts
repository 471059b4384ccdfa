import assert from "node:assert/strict";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, mappingsOf, startFixture } from "../support/gatewayFixture.ts";
import { ask as askByHttp2, openHttp2 } from "../support/http2.ts";
import { RawServer, UpstreamServer } from "../support/upstreamServer.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
} from "../support/wire.ts";

/** 1Password is reached without the parent proxy, whose failures are those of hosts then. */
const pastParent = ["127.0.0.1"];
const reference = "op://API Keys/OpenAI/api-key";

describe("upstream failures", () => {
  let fixture: Fixture;
  let raw: RawServer;
  const servers: UpstreamServer[] = [];
  const hosts = ["expired", "future", "wrong-name", "self-signed", "unknown", "raw", "refusing", "plain"].map(
    (name) => `${name}.test`,
  );
  before(async () => {
    fixture = await startFixture({
      mappings: hosts.map((hostname) => ({ hostname, reference })),
      noProxy: pastParent,
    });
    raw = await RawServer.startTls(fixture.upstreamAuthority, ["raw.test"]);
    fixture.parent.routes.set("raw.test:443", raw.port);
  });
  after(async () => {
    await fixture.stop();
    await Promise.all([raw.close(), ...servers.map((server) => server.close())]);
  });
  beforeEach(() => (fixture.parent.refuseWith = undefined));

  async function serve(host: string, certificate: { key: string; cert: string }): Promise<UpstreamServer> {
    const server = await UpstreamServer.startWith(certificate);
    servers.push(server);
    fixture.parent.routes.set(`${host}:443`, server.port);
    return server;
  }

  async function ask(host: string, of: Fixture = fixture) {
    const wire = await of.open(host.includes(":") ? host : `${host}:443`);
    wire.send(requestHead("GET /", `Host: ${host}`));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  const day = 24 * 60 * 60_000;
  const at = (days: number) => new Date(Date.now() + days * day);
  const certificates: readonly (readonly [
    string,
    (own: TestAuthority, other: TestAuthority) => Promise<{ key: string; cert: string }>,
    RegExp,
  ])[] = [
    [
      "expired.test",
      (own) => own.issue({ names: ["expired.test"], notBefore: at(-3), notAfter: at(-2) }),
      /expired/,
    ],
    [
      "future.test",
      (own) => own.issue({ names: ["future.test"], notBefore: at(1), notAfter: at(2) }),
      /not valid yet/,
    ],
    ["wrong-name.test", (own) => own.issue({ names: ["other.test"] }), /another host name/],
    ["self-signed.test", () => TestAuthority.selfSigned(["self-signed.test"]), /self-signed/],
    ["unknown.test", (_own, other) => other.issue({ names: ["unknown.test"] }), /issuer is unknown/],
  ];
  for (const [host, issue, reason] of certificates) {
    for (const environment of [undefined, "0"]) {
      it(`refuses the certificate of ${host}${environment === "0" ? " under NODE_TLS_REJECT_UNAUTHORIZED=0" : ""} and says why (contracts 29, 31)`, async () => {
        const server = await serve(
          host,
          await issue(fixture.upstreamAuthority, await TestAuthority.create("Other")),
        );
        const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
        if (environment !== undefined) {
          process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = environment;
        }
        try {
          assert.match(assertRefusal(await ask(host), 502, "upstream-certificate"), reason);
        } finally {
          delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
          if (before !== undefined) {
            process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
          }
        }
        assert.equal(server.received.length, 0);
      });
    }
  }

  it("tells a server that does not speak TLS from a bad certificate (contract 29)", async () => {
    const plain = await RawServer.start();
    fixture.parent.routes.set("plain.test:443", plain.port);
    const answered = ask("plain.test");
    const connection = await plain.next();
    await connection.bytes(1);
    connection.socket.end("SSH-2.0-OpenSSH\r\n");
    assert.match(assertRefusal(await answered, 502, "upstream-unreachable"), /TLS/);
    await plain.close();
  });

  it("answers a connection that is closed in its handshake with 502 (contract 29)", async () => {
    const plain = await RawServer.start();
    fixture.parent.routes.set("plain.test:443", plain.port);
    const answered = ask("plain.test");
    const connection = await plain.next();
    await connection.bytes(1);
    connection.socket.destroy();
    assertRefusal(await answered, 502, "upstream-unreachable");
    await plain.close();
  });

  for (const status of [403, 407, 502]) {
    it(`names the parent proxy's ${status} (contract 29)`, async () => {
      fixture.parent.refuseWith = status;
      const message = assertRefusal(await ask("refusing.test"), 502, "upstream-unreachable");
      assert.match(message, new RegExp(`parent proxy answered ${status}`));
      const { wire } = await connectTo(fixture.endpoint, "unmapped.example:443", "");
      wire.socket.destroy();
      const tunnel = await openConnection(fixture.endpoint);
      tunnel.send(
        requestHead("CONNECT unmapped.example:443", basicAuthorization(fixture.endpoint).trimEnd()),
      );
      assert.match(assertRefusal(await tunnel.answer(), 502, "upstream-unreachable"), /parent proxy/);
    });
  }

  it("names a parent proxy that is not there (contract 29)", async () => {
    const lonely = await startFixture({
      mappings: [{ hostname: "raw.test", reference }],
      noProxy: pastParent,
    });
    await lonely.parent.close();
    assert.match(
      assertRefusal(await ask("raw.test", lonely), 502, "upstream-unreachable"),
      /parent proxy cannot be/,
    );
    await lonely.gateway.stop();
    lonely.account.dispose();
    await Promise.all([lonely.upstream.close(), lonely.service.close()]);
  });

  it("tells a refused connection from a name that does not resolve (contract 29)", async () => {
    const gone = await RawServer.start();
    const { port } = gone;
    await gone.close();
    const direct = await startFixture({ mappings: [], parentProxy: undefined });
    direct.gateway.setMappings(
      mappingsOf([
        { hostname: `127.0.0.1:${port}`, reference },
        { hostname: "nowhere.invalid", reference },
      ]),
    );
    assert.match(
      assertRefusal(await ask(`127.0.0.1:${port}`, direct), 502, "upstream-unreachable"),
      /refused/,
    );
    assert.match(assertRefusal(await ask("nowhere.invalid", direct), 502, "upstream-unreachable"), /resolve/);
    await direct.stop();
  });

  it("gives connect and handshake one limit together, then answers 504 (contract 29)", async () => {
    const plain = await RawServer.start();
    const limited = await startFixture({
      noProxy: pastParent,
      mappings: [{ hostname: "slow.test", reference }],
      limits: { connect: 300 },
    });
    limited.parent.routes.set("slow.test:443", plain.port);
    assertRefusal(await ask("slow.test", limited), 504, "upstream-timeout");
    await (await plain.next()).closed();
    limited.parent.silent = true;
    assertRefusal(await ask("slow.test", limited), 504, "upstream-timeout");
    const tunnel = await openConnection(limited.endpoint);
    tunnel.send(requestHead("CONNECT unmapped.example:443", basicAuthorization(limited.endpoint).trimEnd()));
    assertRefusal(await tunnel.answer(), 504, "upstream-timeout");
    await Promise.all([limited.stop(), plain.close()]);
  });

  const broken: readonly (readonly [string, string])[] = [
    ["garbage", "this is not HTTP\r\n\r\n"],
    ["an HTTP/2 preface", "\0\0\x12\x04\0\0\0\0\0"],
    [
      "Content-Length and Transfer-Encoding",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["two different Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
    ["a Content-Length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    ["a folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"],
    ["a NUL in a field", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"],
    ["a bare CR in a field", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"],
    ["a header block over 64 KB", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`],
    ["an interim head without an end", `HTTP/1.1 100 Continue\r\nX: ${"x".repeat(200_000)}`],
    ["a head that is cut off", "HTTP/1.1 200 OK\r\nX: y\r\n"],
    ["nothing", ""],
  ];
  for (const [what, bytes] of broken) {
    it(`answers ${what} from the upstream with 502`, async () => {
      const answered = ask("raw.test");
      const connection = await raw.next();
      await connection.until("\r\n\r\n");
      connection.socket.end(bytes, "latin1");
      assertRefusal(await answered, 502, "upstream-unreachable");
      connection.socket.destroy();
    });
  }

  for (const status of [600, 999]) {
    it(`answers a client of HTTP/2 with 502 to a status of ${status}, which that does not have, and goes on`, async () => {
      const session = await openHttp2(fixture.endpoint, "raw.test:443", fixture.pems.certificate);
      for (const [sent, received] of [
        [status, 502],
        [201, 201],
      ] as const) {
        const answered = askByHttp2(session, {});
        const connection = await raw.next();
        await connection.until("\r\n\r\n");
        connection.send(`HTTP/1.1 ${sent} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        assert.equal((await answered).status, received);
        await connection.closed();
      }
      session.destroy();
    });
  }

  it("closes the upstream connection after a broken answer, and uses another for the next request", async () => {
    const wire = await fixture.open("raw.test:443");
    wire.send(requestHead("GET /", "Host: raw.test"));
    const first = await raw.next();
    await first.until("\r\n\r\n");
    first.send("garbage\r\n\r\n");
    assertRefusal(await wire.answer(), 502, "upstream-unreachable");
    await first.closed();
    wire.send(requestHead("GET /", "Host: raw.test"));
    const second = await raw.next();
    await second.until("\r\n\r\n");
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await wire.answer()).body, "ok");
    wire.socket.destroy();
  });
});
