import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import {
  defaultMappings,
  type Fixture,
  mappingsOf,
  secrets,
  startFixture,
} from "../support/gatewayFixture.ts";
import { assertRefusal, connectTo, openTls, requestHead, WireReader } from "../support/wire.ts";

describe("mappings that change", () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(() => {
    fixture.upstream.reset();
    fixture.gateway.setMappings(mappingsOf(defaultMappings));
  });

  const target = "api.openai.com:443";
  const host = "Host: api.openai.com";
  const github = "op://Dev Tokens/GitHub/token";
  const without = defaultMappings.filter(({ hostname }) => hostname !== "api.openai.com");

  /** A connection after its first answer: before, the gateway may not have seen the end of the handshake. */
  async function openIdle() {
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", host));
    await wire.answer();
    return wire;
  }

  it("take effect with the next request of an open connection", async () => {
    const wire = await fixture.open(target);
    for (const reference of ["op://API Keys/OpenAI/api-key", github]) {
      fixture.gateway.setMappings(mappingsOf([{ hostname: "api.openai.com", reference }]));
      wire.send(requestHead("GET /", host));
      assert.equal((await wire.answer()).status, 200);
    }
    assert.deepEqual(
      fixture.upstream.received.map(({ headers }) => headers.authorization),
      [`Bearer ${secrets.openai}`, `Bearer ${secrets.github}`],
    );
    wire.socket.destroy();
  });

  it("keep a connection whose host another mapping covers by then", async () => {
    const wire = await fixture.open(target);
    fixture.gateway.setMappings(mappingsOf([{ hostname: "*.openai.com", reference: github }]));
    wire.send(requestHead("GET /", host));
    assert.equal((await wire.answer()).status, 200);
    assert.equal(fixture.upstream.received[0]?.headers.authorization, `Bearer ${secrets.github}`);
    wire.socket.destroy();
  });

  it("close idle connections to a host that is no longer mapped, and no others", async () => {
    const idle = await openIdle();
    const other = await fixture.open("api.github.com:443");
    fixture.gateway.setMappings(mappingsOf(without));
    await idle.closed();
    other.send(requestHead("GET /", "Host: api.github.com"));
    assert.equal((await other.answer()).status, 200);
    other.socket.destroy();
  });

  it("let a request in flight finish, then close its connection", async () => {
    const wire = await fixture.open(target);
    let finish: (() => void) | undefined;
    fixture.upstream.handler = (_request, response) => {
      response.write("first");
      finish = () => void response.end(" and last");
    };
    wire.send(requestHead("GET /", host));
    await wire.until("first");
    fixture.gateway.setMappings(mappingsOf(without));
    finish!();
    assert.match(await wire.rest(), / and last\r\n0\r\n\r\n$/);
  });

  it("answer a request behind one in flight with 421 and close", async () => {
    const wire = await fixture.open(target);
    let finish: (() => void) | undefined;
    fixture.upstream.handler = (_request, response) => {
      response.setHeader("content-length", 2);
      response.write("o");
      finish = () => void response.end("k");
    };
    wire.send(requestHead("GET /", host));
    await wire.until("\r\n\r\no");
    fixture.gateway.setMappings(mappingsOf(without));
    const text = requestHead("GET /second", host);
    wire.send(text + text);
    // The gateway has read both when another client, who asked later, has its answer.
    const other = await fixture.open("api.github.com:443");
    other.send(requestHead("GET /", "Host: evil.com"));
    await other.answer();
    other.socket.destroy();
    finish!();
    await wire.bytes(1);
    assertRefusal(await wire.answer(), 421, "misdirected");
    assert.equal(await wire.rest(), "");
    assert.equal(fixture.upstream.received.length, 1);
  });

  it("answer a connection that was in its handshake with 421 and close", async () => {
    const { wire } = await connectTo(fixture.endpoint, target);
    fixture.gateway.setMappings(mappingsOf(without));
    wire.socket.removeAllListeners("data");
    const socket = connectTls({
      socket: wire.socket,
      ca: fixture.pems.certificate,
      servername: "api.openai.com",
    });
    await once(socket, "secureConnect");
    const asked = fixture.service.requests.length;
    const reader = new WireReader(socket);
    reader.send(requestHead("GET /", host));
    const answer = await reader.answer();
    assertRefusal(answer, 421, "misdirected");
    assert.equal(answer.headers["connection"], "close");
    await reader.closed();
    socket.destroy();
    assert.equal(fixture.upstream.received.length, 0);
    assert.equal(fixture.service.requests.length, asked);
  });

  it("make a host a tunnel over a fresh connection when it is removed, and intercepted when it is back", async () => {
    fixture.gateway.setMappings(mappingsOf(without));
    const ca = fixture.upstreamAuthority.certificate;
    const tunnel = await openTls(fixture.endpoint, target, { ca });
    assert.equal(tunnel.socket.getPeerX509Certificate()!.issuer, fixture.upstreamIssuer);
    fixture.gateway.setMappings(mappingsOf(defaultMappings));
    await tunnel.closed();
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", host));
    assert.equal((await wire.answer()).status, 200);
    assert.equal(fixture.upstream.received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
    wire.socket.destroy();
  });

  it("treat a mapping that is switched off like one that is removed", async () => {
    const wire = await openIdle();
    fixture.gateway.setMappings(
      mappingsOf(defaultMappings.map((mapping) => ({ ...mapping, enabled: false }))),
    );
    await wire.closed();
    const ca = fixture.upstreamAuthority.certificate;
    const tunnel = await openTls(fixture.endpoint, target, { ca });
    assert.equal(tunnel.socket.getPeerX509Certificate()!.issuer, fixture.upstreamIssuer);
    tunnel.socket.destroy();
  });
});
