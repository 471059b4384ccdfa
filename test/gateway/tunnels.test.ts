import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Fixture, mappingsOf, startFixture } from "../support/gatewayFixture.ts";
import { RawServer } from "../support/upstreamServer.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  openTls,
  requestHead,
} from "../support/wire.ts";

for (const way of ["through a parent proxy", "dialled straight"] as const) {
  describe(`blind tunnels ${way}`, () => {
    let fixture: Fixture;
    let target: RawServer;
    let name: string;
    before(async () => {
      const isStraight = way === "dialled straight";
      fixture = await startFixture({ mappings: [], ...(isStraight && { parentProxy: undefined }) });
      target = await RawServer.start();
      name = isStraight ? `127.0.0.1:${target.port}` : "tunnel.example:443";
      fixture.parent.routes.set(name, target.port);
    });
    after(async () => {
      await fixture.stop();
      await target.close();
    });

    const tunnel = () => openTunnel(fixture, target, name);

    it("carry every byte both ways, unchanged", async () => {
      const { client, server } = await tunnel();
      const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      client.socket.write(all);
      assert.deepEqual(await server.bytes(256), all);
      server.socket.write(all.toReversed());
      assert.deepEqual(await client.bytes(256), Buffer.from(all.toReversed()));
      client.socket.destroy();
      await server.closed();
    });

    it("carry megabytes both ways at once", async () => {
      const { client, server } = await tunnel();
      const sent = randomBytes(8 << 20);
      const digest = (data: Buffer) => createHash("sha256").update(data).digest("hex");
      client.socket.write(sent);
      server.socket.write(sent);
      const [up, down] = await Promise.all([server.bytes(sent.length), client.bytes(sent.length)]);
      assert.deepEqual([digest(up), digest(down)], [digest(sent), digest(sent)]);
      client.socket.destroy();
    });

    it("add nothing to the 200 and lose nothing that is glued to the CONNECT", async () => {
      const client = await openConnection(fixture.endpoint);
      client.send(
        `CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n${basicAuthorization(fixture.endpoint)}\r\nfirst bytes`,
      );
      const server = await target.next();
      assert.equal((await server.bytes(11)).toString(), "first bytes");
      server.socket.end("SSH-2.0-greeting");
      assert.equal(await client.rest(), "HTTP/1.1 200 Connection Established\r\n\r\nSSH-2.0-greeting");
      client.socket.destroy();
    });

    it("let a server speak first", async () => {
      const { client, server } = await tunnel();
      server.send("220 ready\r\n");
      assert.equal(await client.until("\r\n"), "220 ready\r\n");
      client.socket.destroy();
    });

    it("go on when the client has finished and the server has not", async () => {
      const { client, server } = await tunnel();
      client.socket.end("question");
      assert.equal(await server.rest(), "question");
      server.socket.end("answer");
      assert.equal(await client.rest(), "answer");
    });

    it("go on when the server has finished and the client has not", async () => {
      const { client, server } = await tunnel();
      server.socket.end("bye");
      assert.equal(await client.rest(), "bye");
      client.socket.end("one more thing");
      assert.equal(await server.rest(), "one more thing");
    });

    it("close with the client and with the server", async () => {
      const first = await tunnel();
      first.client.tcp.resetAndDestroy();
      await first.server.closed();
      const second = await tunnel();
      second.server.tcp.resetAndDestroy();
      await second.client.closed();
    });

    it("hold a server back while the client does not read, and lose nothing", async () => {
      const { client, server } = await tunnel();
      const other = await tunnel();
      client.socket.pause();
      const chunk = randomBytes(64 * 1024);
      const count = 1024;
      let sent = 0;
      const more = () => {
        while (sent < count && server.socket.write(chunk)) {
          sent++;
        }
      };
      server.socket.on("drain", () => {
        sent++;
        more();
      });
      more();
      for (let before = -1; before !== sent;) {
        before = sent;
        for (let turn = 0; turn < 20; turn++) {
          other.client.send("ping");
          await other.server.bytes(4);
          other.server.send("pong");
          await other.client.bytes(4);
        }
      }
      assert.ok(sent < count / 2, `${sent} chunks are under way`);
      const { socket } = client;
      socket.removeAllListeners("data");
      const hash = createHash("sha256");
      let left = count * chunk.length;
      await new Promise<void>((resolve) => {
        socket.on("data", (bytes) => {
          hash.update(bytes);
          left -= bytes.length;
          if (left <= 0) {
            resolve();
          }
        });
        socket.resume();
      });
      const expected = createHash("sha256");
      for (let index = 0; index < count; index++) {
        expected.update(chunk);
      }
      assert.deepEqual([left, hash.digest("hex")], [0, expected.digest("hex")]);
      client.socket.destroy();
      other.client.socket.destroy();
    });
  });
}

describe("blind tunnels", () => {
  let fixture: Fixture;
  let target: RawServer;
  const name = "tunnel.example:443";
  const openai = { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" };
  before(async () => {
    fixture = await startFixture({ mappings: [openai] });
    target = await RawServer.start();
    for (const address of [name, "api.openai.com:8443", "api.openai.com:80"]) {
      fixture.parent.routes.set(address, target.port);
    }
  });
  after(async () => {
    await fixture.stop();
    await target.close();
  });
  beforeEach(() => fixture.gateway.setMappings(mappingsOf([openai])));

  const tunnel = (to = name) => openTunnel(fixture, target, to);

  it("are what another port of a mapped name gets (contract 5)", async () => {
    for (const address of ["api.openai.com:8443", "api.openai.com:80"]) {
      const { client, server } = await tunnel(address);
      client.send("plain");
      assert.equal((await server.bytes(5)).toString(), "plain");
      client.socket.destroy();
    }
  });

  it("are what a mapping that is switched off gets", async () => {
    fixture.gateway.setMappings(mappingsOf([{ ...openai, enabled: false }]));
    const ca = fixture.upstreamAuthority.certificate;
    const wire = await openTls(fixture.endpoint, "api.openai.com:443", { ca });
    assert.equal(wire.socket.getPeerX509Certificate()!.issuer, fixture.upstreamIssuer);
    wire.socket.destroy();
  });

  it("show the client the server's own certificate", async () => {
    const { wire } = await connectTo(fixture.endpoint, "unmapped.example:443");
    wire.socket.removeAllListeners("data");
    const socket: TLSSocket = connectTls({
      socket: wire.socket,
      ca: fixture.upstreamAuthority.certificate,
      servername: "unmapped.example",
    });
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate()!;
    assert.equal(certificate.issuer, fixture.upstreamIssuer);
    assert.doesNotMatch(certificate.issuer, /OneCLI/);
    socket.destroy();
  });

  it("answer a host that cannot be dialled with 502 and JSON to the CONNECT itself (contract 2)", async () => {
    const wire = await openConnection(fixture.endpoint);
    wire.send(
      requestHead("CONNECT nowhere.example:443", "Host: x", basicAuthorization(fixture.endpoint).trimEnd()),
    );
    assertRefusal(await wire.answer(), 502, "upstream-unreachable");
    await wire.closed();
  });

  it("close when their host becomes mapped, and no others do", async () => {
    fixture.parent.routes.set("other.example:443", target.port);
    const { client, server } = await tunnel();
    const other = await tunnel("other.example:443");
    fixture.gateway.setMappings(
      mappingsOf([openai, { hostname: "tunnel.example", reference: openai.reference }]),
    );
    await Promise.all([client.closed(), server.closed()]);
    other.client.send("still here");
    assert.equal((await other.server.bytes(10)).toString(), "still here");
    other.client.socket.destroy();
  });

  it("are not opened to a host that becomes mapped while it is dialled", async () => {
    const holding = fixture.parent.hold();
    const wire = await openConnection(fixture.endpoint);
    wire.send(
      requestHead(`CONNECT ${name}`, `Host: ${name}`, basicAuthorization(fixture.endpoint).trimEnd()),
    );
    await holding.asked;
    fixture.gateway.setMappings(
      mappingsOf([openai, { hostname: "tunnel.example", reference: openai.reference }]),
    );
    holding.release();
    assert.equal((await wire.head()).status, 200);
    wire.socket.removeAllListeners("data");
    const socket = connectTls({
      socket: wire.socket,
      ca: fixture.pems.certificate,
      servername: "tunnel.example",
    });
    await once(socket, "secureConnect");
    assert.match(socket.getPeerX509Certificate()!.issuer, /OneCLI/);
    socket.destroy();
    await (await target.next()).closed();
  });

  it("lose nothing of a client that has finished before they are open", async () => {
    const holding = fixture.parent.hold();
    const client = await openConnection(fixture.endpoint);
    client.socket.end(
      `CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n${basicAuthorization(fixture.endpoint)}\r\nall of it`,
    );
    await holding.asked;
    holding.release();
    const server = await target.next();
    assert.equal(await server.rest(), "all of it");
    server.socket.end("answer");
    assert.match(await client.rest(), /^HTTP\/1\.1 200 .*\r\n\r\nanswer$/);
  });

  it("give up dialling when the client resets", async () => {
    const holding = fixture.parent.hold();
    const wire = await openConnection(fixture.endpoint);
    wire.send(
      requestHead(`CONNECT ${name}`, `Host: ${name}`, basicAuthorization(fixture.endpoint).trimEnd()),
    );
    const asking = await holding.asked;
    const gone = once(asking, "end");
    wire.tcp.resetAndDestroy();
    await gone;
    holding.release();
  });

  it("do not outlive a client that closed while they were dialled", async () => {
    const holding = fixture.parent.hold();
    const wire = await openConnection(fixture.endpoint);
    wire.send(
      requestHead(`CONNECT ${name}`, `Host: ${name}`, basicAuthorization(fixture.endpoint).trimEnd()),
    );
    await holding.asked;
    wire.socket.destroy();
    holding.release();
    await (await target.next()).closed();
  });
});

/** Both ends of a fresh tunnel. */
async function openTunnel(fixture: Fixture, target: RawServer, to: string) {
  const { wire: client, answer } = await connectTo(fixture.endpoint, to);
  assert.equal(answer.status, 200);
  return { client, server: await target.next() };
}
