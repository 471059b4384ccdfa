import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type ClientHttp2Session } from "node:http2";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";
import { type RawData, type WebSocket } from "ws";
import {
  type Fixture,
  mappingsOf,
  secrets,
  startFixture,
  startRawFixture,
} from "../support/gatewayFixture.ts";
import { answerOf, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { echoServer, handshakeOf, openWebSocket } from "../support/webSocket.ts";
import { type ActivityRecord } from "../../src/shared/gatewayProtocol.ts";
import { acceptOf } from "../../src/gateway/webSockets.ts";
import { assertRefusal, basicAuthorization, openConnection, requestHead } from "../support/wire.ts";

const host = "api.openai.com";
const h2Host = "h2.example.com";
const h2OnlyHost = "h2-without.example.com";

/** A text frame as a client sends it, masked with zeros (RFC 6455 §5.2). */
function clientFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** A text frame as a server sends it. */
function serverFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
}

async function bytesOf(stream: Duplex, count: number): Promise<Buffer> {
  let got = Buffer.alloc(0);
  while (got.length < count) {
    const [chunk] = (await once(stream, "data")) as [Buffer];
    got = Buffer.concat([got, chunk]);
  }
  return got;
}

describe("WebSockets", () => {
  let fixture: Fixture;
  let h2: Http2UpstreamServer;
  let h2Only: Http2UpstreamServer;
  let received: IncomingMessage[];
  const sessions: ClientHttp2Session[] = [];
  const mappings = [host, h2Host, h2OnlyHost].map((hostname) => ({
    hostname,
    reference: "op://API Keys/OpenAI/api-key",
  }));
  const echo = echoServer({ handleProtocols: (names) => [...names].at(-1) ?? false });

  before(async () => {
    fixture = await startFixture({ mappings });
    fixture.upstream.onUpgrade = (request, socket, head) => {
      received.push(request);
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    };
    h2 = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host], {
      enableConnectProtocol: true,
    });
    h2Only = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2OnlyHost]);
    fixture.parent.routes.set(`${h2Host}:443`, h2.port);
    fixture.parent.routes.set(`${h2OnlyHost}:443`, h2Only.port);
  });
  after(async () => {
    await fixture.stop();
    await Promise.all([h2.close(), h2Only.close()]);
  });
  beforeEach(() => {
    received = [];
    fixture.upstream.reset();
    h2.reset();
    fixture.gateway.setMappings(mappingsOf(mappings));
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) {
      session.destroy();
    }
  });

  const open = (path = "/v1/responses", more = {}) =>
    openWebSocket(fixture.endpoint, host, { ca: fixture.pems.certificate, path, ...more });

  async function openSession(name: string): Promise<ClientHttp2Session> {
    const session = await openHttp2(fixture.endpoint, `${name}:443`, fixture.pems.certificate);
    sessions.push(session);
    return session;
  }

  async function say(socket: WebSocket, text: string): Promise<string> {
    socket.send(text);
    const [data] = (await once(socket, "message")) as [RawData];
    return (data as Buffer).toString();
  }

  it("get the secret in their handshake, then carry bytes both ways", async () => {
    const { socket } = await open("/v1/responses?x=1", {
      protocols: ["first", "second"],
      headers: { authorization: "Bearer placeholder", "x-own": "kept" },
    });
    const { status } = await handshakeOf(socket);
    assert.equal(status, 101);
    assert.equal(socket.protocol, "second");
    assert.equal(await say(socket, "hello"), "hello");
    const { headers, url } = received[0]!;
    assert.equal(url, "/v1/responses?x=1");
    assert.equal(headers.authorization, `Bearer ${secrets.openai}`);
    assert.deepEqual([headers["x-own"], headers.host], ["kept", host]);
    const recorded = new Promise<ActivityRecord>((resolve) => fixture.gateway.activity.subscribe(resolve));
    const closed = once(socket, "close");
    socket.close(4001, "done");
    const [code] = (await closed) as [number];
    assert.equal(code, 4001);
    const record = await recorded;
    assert.deepEqual([record.status, record.path, record.mapping], [101, "/v1/responses", host]);
    assert.ok(record.bytesUp > 0 && record.bytesDown > 0);
  });

  it("carry what the client sends before it is answered", async () => {
    const wire = await fixture.open(`${host}:443`);
    const key = "dGhlIHNhbXBsZSBub25jZQ==";
    wire.socket.write(
      Buffer.concat([
        Buffer.from(
          requestHead(
            "GET /early",
            `Host: ${host}`,
            "Connection: keep-alive, Upgrade",
            "Upgrade: WebSocket",
            "Sec-WebSocket-Version: 13",
            `Sec-WebSocket-Key: ${key}`,
          ),
        ),
        clientFrame("early"),
      ]),
    );
    const head = await wire.head();
    assert.deepEqual([head.status, head.headers["sec-websocket-accept"]], [101, acceptOf(key)]);
    assert.deepEqual(await wire.bytes(7), serverFrame("early"));
    wire.socket.destroy();
  });

  for (const status of [401, 403, 426, 503]) {
    it(`pass an upstream's refusal with ${status} on as it is (contract 25)`, async () => {
      fixture.upstream.onUpgrade = (request, socket) => {
        received.push(request);
        socket.end(
          `HTTP/1.1 ${status} Nope\r\nX-Why: because\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused`,
        );
      };
      const { socket } = await open();
      const answer = await handshakeOf(socket);
      assert.deepEqual([answer.status, answer.headers["x-why"], answer.body], [status, "because", "refused"]);
      assert.equal(answer.headers["x-onecli-error"], undefined);
      fixture.upstream.onUpgrade = (request, upgraded, head) => {
        received.push(request);
        echo.handleUpgrade(request, upgraded, head, (client) => echo.emit("connection", client, request));
      };
    });
  }

  it("are answered 426 with the gateway's own error where the secret cannot be had (contract 25)", async () => {
    fixture.gateway.setMappings(mappingsOf([{ hostname: host, reference: "op://API Keys/None/none" }]));
    const { socket } = await open();
    const { status, headers, body } = await handshakeOf(socket);
    assert.deepEqual([status, headers["x-onecli-error"]], [426, "reference-not-found"]);
    assert.deepEqual([headers.upgrade, headers.connection], ["HTTP/1.1", "upgrade, close"]);
    assert.match(body, /"code":"reference-not-found","message":"OneCLI: No item matches/);

    const session = await openSession(host);
    const byHttp2 = await answerOf(
      session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/" }),
    );
    assert.deepEqual(
      [byHttp2.status, byHttp2.headers["x-onecli-error"], byHttp2.body],
      [426, "reference-not-found", body],
    );
    assert.equal(byHttp2.headers["upgrade"], undefined);
    assert.equal((await answerOf(session.request({ ":path": "/" }))).status, 424, "a plain request");
    assert.equal(received.length, 0);
  });

  it("are answered 426 where no account is connected, and 421 for another host (contract 1, 7)", async () => {
    const alone = await startFixture({ mappings });
    alone.gateway.disconnect();
    const { certificate: ca } = alone.pems;
    const { socket } = await openWebSocket(alone.endpoint, host, { ca });
    const answer = await handshakeOf(socket);
    assert.deepEqual([answer.status, answer.headers["x-onecli-error"]], [426, "not-connected"]);
    const headers = { host: "other.example.com" };
    const { socket: misdirected } = await openWebSocket(alone.endpoint, host, { ca, headers });
    assert.equal((await handshakeOf(misdirected)).status, 421);
    await alone.stop();
  });

  it("are answered 426 where the upstream cannot be reached (contract 29)", async () => {
    fixture.gateway.setMappings(
      mappingsOf([{ hostname: "gone.example.com", reference: "op://API Keys/OpenAI/api-key" }]),
    );
    const { socket } = await openWebSocket(fixture.endpoint, "gone.example.com", {
      ca: fixture.pems.certificate,
    });
    const { status, headers } = await handshakeOf(socket);
    assert.deepEqual(
      [status, headers["x-onecli-error"], headers["x-should-retry"]],
      [426, "upstream-unreachable", "true"],
    );
  });

  it("are answered 426 at once where the upstream takes none (contract 25)", async () => {
    const { socket } = await openWebSocket(fixture.endpoint, h2OnlyHost, { ca: fixture.pems.certificate });
    const answer = await handshakeOf(socket);
    assert.deepEqual([answer.status, answer.headers["x-onecli-error"]], [426, "upgrade-unsupported"]);
    assert.equal(h2Only.received.length, 0);
  });

  it("reach an upstream of HTTP/2 alone on a stream (RFC 8441)", async () => {
    h2.handler = ({ stream }) => {
      stream.respond({ ":status": 200, "sec-websocket-protocol": "chat" });
      stream.once("data", () => stream.write(serverFrame("from above")));
    };
    const { socket } = await openWebSocket(fixture.endpoint, h2Host, {
      ca: fixture.pems.certificate,
      path: "/chat",
      protocols: ["chat"],
    });
    assert.equal((await handshakeOf(socket)).status, 101);
    assert.equal(await say(socket, "hello"), "from above");
    const { headers } = h2.received[0]!;
    assert.deepEqual(
      [headers[":method"], headers[":protocol"], headers[":path"], headers["sec-websocket-version"]],
      ["CONNECT", "websocket", "/chat", "13"],
    );
    assert.equal(headers.authorization, `Bearer ${secrets.openai}`);
    assert.deepEqual([headers["sec-websocket-key"], headers["upgrade"]], [undefined, undefined]);
    socket.terminate();
  });

  it("come by a stream of HTTP/2, and reach an upstream of HTTP/1.1 (RFC 8441)", async () => {
    const session = await openSession(host);
    assert.equal(session.remoteSettings.enableConnectProtocol, true);
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": "/v1/realtime",
      "sec-websocket-version": "13",
      authorization: "Bearer placeholder",
    });
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    assert.deepEqual([headers[":status"], headers["sec-websocket-accept"]], [200, undefined]);
    stream.write(clientFrame("hello"));
    assert.deepEqual(await bytesOf(stream, 7), serverFrame("hello"));
    assert.equal(received[0]?.headers.authorization, `Bearer ${secrets.openai}`);
    assert.equal(received[0].headers.upgrade, "websocket");
    stream.close();
  });

  it("come by a stream of HTTP/2, and reach an upstream of HTTP/2 (RFC 8441)", async () => {
    h2.handler = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    };
    const session = await openSession(h2Host);
    const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/" });
    await once(stream, "response");
    stream.write(clientFrame("hello"));
    assert.deepEqual(await bytesOf(stream, 11), clientFrame("hello"));
    stream.end();
    await once(stream, "close");
    assert.equal(stream.rstCode, 0);
  });

  it("come by HTTP/2 and are refused as the upstream refused them (contract 25)", async () => {
    h2.handler = ({ stream }) => {
      stream.respond({ ":status": 403, "x-why": "because" });
      stream.end("refused");
    };
    const session = await openSession(h2Host);
    const answer = await answerOf(
      session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/" }),
    );
    assert.deepEqual([answer.status, answer.body, answer.headers["x-why"]], [403, "refused", "because"]);
  });

  it("of plain http reach a host that is not mapped, and none that is", async () => {
    const direct = await startFixture({ mappings, parentProxy: undefined });
    const server = createServer().on("upgrade", (request, socket, head) => {
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const key = "dGhlIHNhbXBsZSBub25jZQ==";
    const fields = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      basicAuthorization(direct.endpoint).trim(),
    ];
    const wire = await openConnection(direct.endpoint);
    wire.send(requestHead(`GET http://${target}/ws`, `Host: ${target}`, ...fields));
    assert.equal((await wire.head()).headers["sec-websocket-accept"], acceptOf(key));
    wire.socket.write(clientFrame("plain"));
    assert.deepEqual(await wire.bytes(7), serverFrame("plain"));
    wire.socket.destroy();
    const refused = await openConnection(direct.endpoint);
    refused.send(requestHead(`GET http://${host}/ws`, `Host: ${host}`, ...fields));
    assertRefusal(await refused.answer(), 403, "insecure-request");
    await direct.stop();
    server.closeAllConnections();
    server.close();
  });

  it("are closed when their host is not mapped any more, and left alone when another is", async () => {
    const { socket } = await open();
    await handshakeOf(socket);
    fixture.gateway.setMappings(mappingsOf(mappings.slice(0, 1)));
    assert.equal(await say(socket, "still there"), "still there");
    const closed = once(socket, "close");
    socket.on("error", () => undefined);
    fixture.gateway.setMappings([]);
    await closed;
  });

  it("close on one side when the other is cut off", async () => {
    const { socket, tls } = await open();
    await handshakeOf(socket);
    const above = once([...echo.clients][0]!, "close");
    socket.on("error", () => undefined);
    tls.destroy();
    const [code] = (await above) as [number];
    assert.equal(code, 1006);
    const { socket: second } = await open();
    await handshakeOf(second);
    second.on("error", () => undefined);
    const below = once(second, "close");
    [...echo.clients].at(-1)?.terminate();
    assert.equal(((await below) as [number])[0], 1006);
  });

  it("leave nothing behind when the client goes before the upstream has answered", async () => {
    const raw = await startRawFixture();
    const { tls, socket } = await openWebSocket(raw.fixture.endpoint, "raw.example.com", {
      ca: raw.fixture.pems.certificate,
    });
    socket.on("error", () => undefined);
    const above = await raw.raw.next();
    await above.head();
    tls.destroy();
    await assert.rejects(above.until("more"), /ended/);
    await raw.stop();
  });

  it("do not hold the gateway's stop (contract 19)", async () => {
    const other = await startFixture({ mappings });
    other.upstream.onUpgrade = (request, socket, head) => {
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    };
    const { socket } = await openWebSocket(other.endpoint, host, { ca: other.pems.certificate });
    await handshakeOf(socket);
    socket.on("error", () => undefined);
    const closed = once(socket, "close");
    await other.stop();
    await closed;
  });
});
