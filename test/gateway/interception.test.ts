import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { type Fixture, mappingsOf, secrets, startFixture } from "../support/gatewayFixture.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { connectTo, openTls, requestHead } from "../support/wire.ts";

const day = 24 * 60 * 60_000;

describe("interception", () => {
  let fixture: Fixture;
  const reference = "op://API Keys/OpenAI/api-key";
  const github = "op://Dev Tokens/GitHub/token";
  const long = `${"a".repeat(60)}.${"b".repeat(60)}.example.com`;
  before(async () => {
    fixture = await startFixture({
      mappings: [
        { hostname: "api.openai.com", reference },
        { hostname: "api.github.com", reference: github },
        { hostname: "*.example.com", reference },
        { hostname: "*.deep.example.com", reference: github },
        { hostname: "exact.deep.example.com", reference },
      ],
      names: [
        "a.example.com",
        "a.b.example.com",
        "x.deep.example.com",
        "exact.deep.example.com",
        long,
        "example.com",
      ],
    });
  });
  after(() => fixture.stop());
  beforeEach(() => fixture.upstream.reset());

  async function certificateOf(target: string): Promise<X509Certificate> {
    const { socket } = await fixture.open(target);
    const certificate = socket.getPeerX509Certificate()!;
    socket.destroy();
    return certificate;
  }

  /** What the upstream got as Authorization for a request to a host. */
  async function authorizationFor(target: string, host = target.replace(/:443$/, "")) {
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", `Host: ${host}`));
    const { status } = await wire.answer();
    wire.socket.destroy();
    assert.equal(status, 200, target);
    return fixture.upstream.received.at(-1)!.headers.authorization;
  }

  it("presents a leaf for the CONNECT host that its own authority has signed", async () => {
    const leaf = await certificateOf("api.openai.com:443");
    const authority = new X509Certificate(fixture.pems.certificate);
    assert.equal(leaf.subjectAltName, "DNS:api.openai.com");
    assert.ok(leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
    assert.match(leaf.issuer, /OneCLI local CA/);
    assert.ok(!leaf.ca);
    assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  });

  it("presents a P-256 leaf that is backdated and lives 30 days at most", async () => {
    const leaf = await certificateOf("api.openai.com:443");
    assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
    assert.ok(from < Date.now() - 60_000 && to > Date.now() + day && to - from <= 30 * day);
  });

  it("names the authority's key in the leaf (AKI) and its chain ends in the authority", async () => {
    const { socket } = await fixture.open("api.openai.com:443");
    const chain = socket.getPeerCertificate(true);
    socket.destroy();
    const authority = new X509Certificate(fixture.pems.certificate);
    assert.equal(chain.issuerCertificate.fingerprint256, authority.fingerprint256);
    // 2.5.29.14 is the authority's subject key identifier, 2.5.29.35 the leaf's authority key identifier (RFC 5280).
    const [ski] = keyIdentifiers(authority.raw, "551d0e");
    const [aki] = keyIdentifiers(chain.raw, "551d23");
    assert.ok(ski !== undefined && aki === ski);
  });

  it("gives each leaf a serial number of its own", async () => {
    const serials = await Promise.all(
      ["api.openai.com:443", "api.github.com:443", "a.example.com:443"].map(
        async (target) => (await certificateOf(target)).serialNumber,
      ),
    );
    assert.equal(new Set(serials).size, 3);
  });

  it("makes a leaf for a host longer than a common name may be", async () => {
    assert.equal((await certificateOf(`${long}:443`)).subjectAltName, `DNS:${long}`);
  });

  for (const servername of ["api.github.com", "evil.com", "unmapped.example"]) {
    it(`lets SNI ${servername} choose nothing: leaf and dial follow CONNECT (contract 8)`, async () => {
      const { wire } = await connectTo(fixture.endpoint, "api.openai.com:443");
      wire.socket.removeAllListeners("data");
      const socket = connectTls({
        socket: wire.socket,
        ca: fixture.pems.certificate,
        servername,
        checkServerIdentity: () => undefined,
      });
      await once(socket, "secureConnect");
      assert.equal(socket.getPeerX509Certificate()!.subjectAltName, "DNS:api.openai.com");
      const arrived = fixture.upstream.next();
      socket.write(requestHead("GET /", "Host: api.openai.com"));
      assert.equal((await arrived).headers.host, "api.openai.com");
      assert.equal(fixture.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
      socket.destroy();
    });
  }

  it("serves a client that sends no SNI (contract 8)", async () => {
    const { wire } = await connectTo(fixture.endpoint, "api.openai.com:443");
    wire.socket.removeAllListeners("data");
    const socket = connectTls({
      socket: wire.socket,
      ca: fixture.pems.certificate,
      checkServerIdentity: () => undefined,
    });
    await once(socket, "secureConnect");
    assert.equal(socket.getPeerX509Certificate()!.subjectAltName, "DNS:api.openai.com");
    socket.destroy();
  });

  it("offers http/1.1 in ALPN and nothing older than TLS 1.2", async () => {
    const wire = await fixture.open("api.openai.com:443");
    assert.equal(wire.socket.alpnProtocol, "http/1.1");
    wire.socket.destroy();
    const old = await connectTo(fixture.endpoint, "api.openai.com:443");
    old.wire.socket.removeAllListeners("data");
    const socket = connectTls({
      socket: old.wire.socket,
      ca: fixture.pems.certificate,
      servername: "api.openai.com",
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    await assert.rejects(once(socket, "secureConnect"));
  });

  for (const keyExchanges of ["X25519", "P-256", "P-384", "P-521"]) {
    it(`agrees with a client that offers ${keyExchanges} alone`, async () => {
      const ca = fixture.pems.certificate;
      const { socket } = await openTls(fixture.endpoint, "api.openai.com:443", { ca, keyExchanges });
      socket.destroy();
    });
  }

  it("spares clients on loopback the ML-KEM that upstreams are offered", async () => {
    const keyExchanges = "X25519MLKEM768";
    const straight = await startFixture({ mappings: [], parentProxy: undefined });
    const raw = await RawServer.startTls(straight.upstreamAuthority, ["127.0.0.1"], {
      ecdhCurve: keyExchanges,
    });
    try {
      const target = `127.0.0.1:${raw.port}`;
      straight.gateway.setMappings(mappingsOf([{ hostname: target, reference }]));
      const ca = straight.pems.certificate;
      const refused = openTls(straight.endpoint, target, { ca, keyExchanges });
      await assert.rejects(refused, /handshake failure/);
      const wire = await straight.open(target);
      wire.send(requestHead("GET /", `Host: ${target}`));
      const upstream = await raw.next();
      await upstream.until("\r\n\r\n");
      upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      assert.equal((await wire.answer()).status, 200);
      wire.socket.destroy();
    } finally {
      await straight.stop();
      await raw.close();
    }
  });

  it("goes on after a client that does not trust the authority", async () => {
    await assert.rejects(
      openTls(fixture.endpoint, "api.openai.com:443", { ca: fixture.upstreamAuthority.certificate }),
    );
    assert.equal(await authorizationFor("api.openai.com:443"), `Bearer ${secrets.openai}`);
  });

  const spellings = [
    "API.OpenAI.COM:443",
    "api.openai.com.:443",
    "%61pi.openai.com:443",
    "api%2Eopenai%2ecom:443",
    "ａｐｉ.openai.com:443",
  ];
  for (const target of spellings) {
    it(`reads CONNECT ${target} as the mapped host it is (contract 5)`, async () => {
      const { wire, answer } = await connectTo(fixture.endpoint, Buffer.from(target).toString("latin1"));
      assert.equal(answer.status, target.includes("ａ") ? 400 : 200);
      if (answer.status === 200) {
        wire.socket.removeAllListeners("data");
        const socket = connectTls({
          socket: wire.socket,
          ca: fixture.pems.certificate,
          servername: "api.openai.com",
        });
        await once(socket, "secureConnect");
        const asked = fixture.parent.asked.length;
        const arrived = fixture.upstream.next();
        socket.write(requestHead("GET /", "Host: api.openai.com"));
        assert.equal((await arrived).headers.authorization, `Bearer ${secrets.openai}`);
        assert.ok(fixture.parent.asked.slice(asked).every((dialled) => dialled === "api.openai.com:443"));
        socket.destroy();
      }
      wire.socket.destroy();
    });
  }

  it("matches a wildcard at any depth; the longer wildcard and the exact name win (contract 6)", async () => {
    const expected: readonly (readonly [string, string])[] = [
      ["a.example.com", secrets.openai],
      ["a.b.example.com", secrets.openai],
      ["x.deep.example.com", secrets.github],
      ["exact.deep.example.com", secrets.openai],
    ];
    for (const [host, value] of expected) {
      assert.equal(await authorizationFor(`${host}:443`), `Bearer ${value}`, host);
      assert.equal((await certificateOf(`${host}:443`)).subjectAltName, `DNS:${host}`);
    }
  });

  it("does not match the wildcard's own name (contract 6)", async () => {
    const ca = fixture.upstreamAuthority.certificate;
    const wire = await openTls(fixture.endpoint, "example.com:443", { ca });
    assert.equal(wire.socket.getPeerX509Certificate()!.issuer, fixture.upstreamIssuer);
    wire.socket.destroy();
  });

  it("matches an IP literal exactly, in any of its spellings, with an IP in the leaf (contracts 5, 6)", async () => {
    const direct = await startFixture({ parentProxy: undefined, mappings: [] });
    const { port } = direct.upstream;
    const raw = await RawServer.start();
    direct.gateway.setMappings(mappingsOf([{ hostname: `127.0.0.1:${port}`, reference }]));
    for (const target of [`127.0.0.1:${port}`, `0x7f.1:${port}`, `2130706433:${port}`]) {
      const { wire, answer } = await connectTo(direct.endpoint, target);
      assert.equal(answer.status, 200);
      wire.socket.removeAllListeners("data");
      const socket = connectTls({ socket: wire.socket, ca: direct.pems.certificate, host: "127.0.0.1" });
      await once(socket, "secureConnect");
      assert.equal(socket.getPeerX509Certificate()!.subjectAltName, "IP Address:127.0.0.1");
      const arrived = direct.upstream.next();
      socket.write(requestHead("GET /", `Host: 127.0.0.1:${port}`));
      assert.equal((await arrived).headers.authorization, `Bearer ${secrets.openai}`);
      socket.destroy();
    }
    const { wire } = await connectTo(direct.endpoint, `127.0.0.1:${raw.port}`);
    wire.send("blind");
    assert.equal((await (await raw.next()).bytes(5)).toString(), "blind");
    wire.socket.destroy();
    await direct.stop();
    await raw.close();
  });
});

/** Key identifiers (20 bytes, hex) that follow an extension's object identifier in DER. */
function keyIdentifiers(der: Buffer, identifier: string): string[] {
  return [
    ...der.toString("hex").matchAll(new RegExp(`0603${identifier}.{4,12}?(?:8014|0414)(.{40})`, "g")),
  ].map(([, found]) => found!);
}
