// An origin that speaks another version of HTTP than it did before.
import assert from "node:assert/strict";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { echoServer, handshakeOf, openWebSocket } from "../support/webSocket.ts";
import { assertRefusal, requestHead, type WireReader } from "../support/wire.ts";

const host = "api.openai.com";

describe("an origin that changes its version of HTTP", () => {
  let fixture: Fixture;
  let h2: Http2UpstreamServer;
  let clients: WireReader[];
  beforeEach(async () => {
    fixture = await startFixture();
    h2 = await Http2UpstreamServer.start(fixture.upstreamAuthority, [host]);
    clients = [];
  });
  afterEach(async () => {
    clients.forEach(({ socket }) => socket.destroy());
    await fixture.stop();
    await h2.close();
  });

  const lead = (port: number) => fixture.parent.routes.set(`${host}:443`, port);

  /** Asks by as many connections, all at once. */
  async function askAtOnce(count: number) {
    const opened = await Promise.all(Array.from({ length: count }, () => fixture.open(`${host}:443`)));
    clients.push(...opened);
    opened.forEach((wire) => wire.send(requestHead("GET /", `Host: ${host}`)));
    return Promise.all(opened.map((wire) => wire.answer()));
  }

  async function askOnce(): Promise<number> {
    return (await askAtOnce(1))[0]!.status;
  }

  const changes = [
    ["HTTP/1.1 to HTTP/2 alone", () => fixture.upstream, () => h2],
    ["HTTP/2 to HTTP/1.1 alone", () => h2, () => fixture.upstream],
  ] as const;
  for (const [what, first, second] of changes) {
    it(`from ${what} fails none of its requests without a word, and serves those that follow (contract 24)`, async () => {
      lead(first().port);
      assert.equal(await askOnce(), 200);
      lead(second().port);
      first().dropConnections();
      // More than are dispatched at a time: some are in the queue when the change is seen.
      const answers = await askAtOnce(200);
      for (const answer of answers) {
        if (answer.status !== 200) {
          assertRefusal(answer, 502, "upstream-unreachable");
        }
      }
      assert.equal(await askOnce(), 200);
      assert.equal((await askAtOnce(50)).filter(({ status }) => status !== 200).length, 0);
    });

    it(`from ${what} keeps what is under way on its old connections`, async () => {
      lead(first().port);
      assert.equal(await askOnce(), 200);
      const release = Promise.withResolvers<undefined>();
      h2.handler = ({ stream }) => {
        stream.respond({ ":status": 200 });
        void release.promise.then(() => stream.end("whole"));
      };
      fixture.upstream.handler = (_request, response) => {
        response.flushHeaders();
        void release.promise.then(() => response.end("whole"));
      };
      const wire = await fixture.open(`${host}:443`);
      clients.push(wire);
      wire.send(requestHead("GET /", `Host: ${host}`));
      const { status } = await wire.head();
      assert.equal(status, 200);
      first().reset();
      second().reset();
      lead(second().port);
      if (first() === h2) {
        // Of HTTP/2 one connection would serve all; it is to be the last of its kind.
        for (const session of h2.sessions) {
          session.goaway();
        }
      }
      const answers = await askAtOnce(20);
      assert.ok(answers.every((answer) => answer.status === 200 || answer.status === 502));
      assert.equal(await askOnce(), 200);
      release.resolve(undefined);
      assert.match(await wire.until("whole"), /whole$/);
    });
  }

  it("takes WebSockets by HTTP/1.1 again when it speaks that again", async () => {
    const open = async () => {
      const { socket, tls } = await openWebSocket(fixture.endpoint, host, { ca: fixture.pems.certificate });
      socket.on("error", () => undefined);
      const { status } = await handshakeOf(socket);
      tls.destroy();
      return status;
    };
    const echo = echoServer();
    fixture.upstream.onUpgrade = (request, socket, head) => {
      echo.handleUpgrade(request, socket, head, (client) => echo.emit("connection", client, request));
    };
    lead(h2.port);
    assert.equal(await open(), 426);
    // The connections of HTTP/2 stay, and serve what they did.
    lead(fixture.upstream.port);
    assert.equal(await open(), 101);
    const session = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
    assert.equal((await ask(session, {})).status, 200);
    assert.equal(h2.received.length, 1);
    session.destroy();
  });
});
