// Nothing is left of what goes wrong: each failure happens many times, and afterwards as many descriptors, sockets and
// timers are open as before, and no more of the heap is in use than half-way.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { type IncomingMessage } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { type Duplex, type Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { type OneCliError } from "../../src/core/errors.ts";
import { acceptOf } from "../../src/gateway/webSockets.ts";
import { TestAuthority } from "../support/certificates.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { ask, Http2UpstreamServer, openHttp2 } from "../support/http2.ts";
import { descriptorsAtRest, heapInUse, moreOpenThan, openResources } from "../support/resources.ts";
import { RawServer, UpstreamServer } from "../support/upstreamServer.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
  type WireReader,
} from "../support/wire.ts";

const reference = "op://API Keys/OpenAI/api-key";
const h1Host = "api.openai.com";
const h2Host = "h2.example.com";
const missingHost = "missing.example.com";
const tunnelHost = "tunnel.example.com";
const badCertificates = ["expired.example.com", "other-name.example.com", "self-signed.example.com"] as const;
const versions = ["http/1.1", "h2"] as const;
type Version = (typeof versions)[number];

const firstRounds = 10;
const rounds = 50;
const attempts = 8;
/** Bytes of the heap by which it may differ for one round: less than the smallest socket takes. */
const perRound = 2048;

/** One request, in the middle. */
interface Client {
  /** The status of the answer; 0 where there is none. */
  readonly status: () => Promise<number>;
  /** Fulfilled when some of a body has come, or the bytes of a WebSocket. */
  readonly some: () => Promise<unknown>;
  readonly closed: () => Promise<unknown>;
  readonly send: (text: string) => void;
  /** No more from this side; the other one may go on. */
  readonly finish: () => void;
  readonly leave: () => void;
}

/** The same request at its upstream. */
interface Upstream {
  readonly body: Readable;
  readonly closed: () => Promise<unknown>;
  readonly answer: (status: number, part: string) => void;
  /** Agrees to the WebSocket that is asked for. */
  readonly agree: () => void;
  readonly finish: () => void;
  /** Cuts the connection. */
  readonly die: () => void;
}

interface Ask {
  readonly method?: string;
  readonly authority?: string;
  readonly isWebSocket?: boolean;
  /** Sent behind the head: by HTTP/1.1 that goes up with the first bytes of its body. */
  readonly part?: string;
}

/** To be called before the close that it waits for. */
function closing(stream: Duplex): () => Promise<unknown> {
  const closed = new Promise((resolve) => stream.once("close", resolve));
  return () => closed;
}

const anyRecord = {
  at: 0,
  kind: "request",
  agent: "onecli",
  method: "GET",
  host: h1Host,
  path: "/",
  status: 200,
  headMs: 1.5,
  totalMs: 1.5,
  bytesUp: 0,
  bytesDown: 0,
} as const;

describe("leaks", () => {
  let fixture: Fixture;
  let h2: Http2UpstreamServer;
  let target: RawServer;
  let closedPort: number;
  const servers: UpstreamServer[] = [];
  const sessions = new Map<string, ClientHttp2Session>();
  const silent = () => undefined;

  before(async () => {
    // The target of tests that want none there.
    const gone = createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    closedPort = (gone.address() as AddressInfo).port;
    await new Promise((resolve) => gone.close(resolve));
    fixture = await startFixture({
      mappings: [
        ...[h1Host, h2Host, ...badCertificates, `127.0.0.1:${closedPort}`].map((hostname) => ({
          hostname,
          reference,
        })),
        { hostname: missingHost, reference: "op://API Keys/No such item/key" },
      ],
      names: [tunnelHost],
      noProxy: ["127.0.0.1", "localhost"],
      logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent },
    });
    // The activity keeps as many records as it may: those of the rounds take the place of these.
    for (let left = 1000; left > 0; left--) {
      fixture.gateway.activity.add(anyRecord);
    }
    h2 = await Http2UpstreamServer.start(fixture.upstreamAuthority, [h2Host], {
      enableConnectProtocol: true,
    });
    target = await RawServer.start();
    const own = fixture.upstreamAuthority;
    const day = 24 * 60 * 60_000;
    const [expired, otherName, selfSigned] = badCertificates;
    const certificates = new Map([
      [
        expired,
        await own.issue({
          names: [expired],
          notBefore: new Date(Date.now() - 3 * day),
          notAfter: new Date(Date.now() - 2 * day),
        }),
      ],
      [otherName, await own.issue({ names: ["another.example.com"] })],
      [selfSigned, await TestAuthority.selfSigned([selfSigned])],
    ] as const);
    const { routes } = fixture.parent;
    for (const [host, certificate] of certificates) {
      const server = await UpstreamServer.startWith(certificate);
      servers.push(server);
      routes.set(`${host}:443`, server.port);
    }
    routes.set(`${h2Host}:443`, h2.port);
    routes.set(`${tunnelHost}:443`, target.port);
    // More than the records that are kept of requests.
    const session = await sessionTo(h1Host);
    for (let count = 0; count < 22; count++) {
      await Promise.all(Array.from({ length: 50 }, () => ask(session, {})));
    }
  });
  after(async () => {
    await fixture.stop();
    await Promise.all([h2, target, ...servers].map((server) => server.close()));
  });
  beforeEach(() => {
    fixture.parent.login = undefined;
    fixture.parent.refuseWith = undefined;
    fixture.parent.silent = false;
  });
  afterEach(() => {
    sessions.forEach((session) => session.destroy());
    sessions.clear();
  });

  /** A connection of HTTP/2, one for all rounds of a test: what is kept of a stream is kept by it. */
  async function sessionTo(host: string): Promise<ClientHttp2Session> {
    const known = sessions.get(host);
    if (known?.destroyed === false) {
      return known;
    }
    const session = await openHttp2(fixture.endpoint, `${host}:443`, fixture.pems.certificate);
    session.setMaxListeners(0);
    sessions.set(host, session);
    return session;
  }

  async function begin(version: Version, host: string, what: Ask = {}): Promise<Client> {
    const { method = "GET", authority = host, isWebSocket = false, part } = what;
    if (version === "h2") {
      const session = await sessionTo(host);
      const stream: ClientHttp2Stream = session.request(
        {
          ":method": isWebSocket ? "CONNECT" : method,
          ":path": "/",
          ":authority": authority,
          ...(isWebSocket && { ":protocol": "websocket" }),
        },
        { endStream: method === "GET" && !isWebSocket },
      );
      stream.on("error", silent);
      stream.once("end", () => stream.end());
      if (part !== undefined) {
        stream.write(part);
      }
      const status = new Promise<number>((resolve) => {
        stream.once("response", (headers) => resolve(headers[":status"] ?? 0));
        stream.once("close", () => resolve(0));
      });
      const some = new Promise((resolve) => stream.once("data", resolve));
      return {
        status: () => status,
        some: () => some,
        closed: closing(stream),
        send: (text) => void stream.write(text),
        finish: () => void stream.end(),
        leave: () => stream.close(8),
      };
    }
    const wire = await fixture.open(host.includes(":") ? host : `${host}:443`);
    wire.socket.on("error", silent);
    const fields = isWebSocket
      ? [
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
      : method === "GET"
        ? []
        : ["Content-Length: 100"];
    wire.send(requestHead(`${method} /`, `Host: ${authority}`, ...fields) + (part ?? ""));
    const status = async () => (await wire.head()).status;
    return {
      status,
      some: async () => {
        await status();
        await wire.bytes(1);
      },
      closed: () => wire.closed(),
      send: (text) => wire.send(text),
      finish: () => void wire.socket.end(),
      leave: () => void wire.socket.destroy(),
    };
  }

  /** The next request that comes to an upstream, held there. */
  function arrival(host: string): Promise<Upstream> {
    return new Promise((resolve) => {
      if (host === h2Host) {
        h2.handler = ({ stream }) => {
          resolve({
            body: stream,
            closed: closing(stream),
            answer: (status, part) => {
              stream.respond({ ":status": status });
              stream.write(part);
            },
            agree: () => {
              stream.respond({ ":status": 200 });
              stream.resume();
            },
            finish: () => void stream.end(),
            die: () => stream.session?.destroy(),
          });
        };
        return;
      }
      const { upstream } = fixture;
      upstream.keepBodies = false;
      upstream.handler = (request, response) => {
        const { socket } = request;
        resolve({
          body: request,
          closed: closing(socket),
          answer: (status, part) => response.writeHead(status).write(part),
          agree: silent,
          finish: () => void response.end(),
          die: () => void socket.destroy(),
        });
      };
      upstream.onUpgrade = (request: IncomingMessage, socket: Duplex) => {
        socket.on("error", silent);
        resolve({
          body: socket,
          closed: closing(socket),
          answer: (status, part) =>
            void socket.write(`HTTP/1.1 ${status} No\r\nConnection: close\r\n\r\n${part}`),
          agree: () => {
            const accept = acceptOf(request.headers["sec-websocket-key"] ?? "");
            socket.write(
              `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
            );
            socket.resume();
          },
          finish: () => void socket.end(),
          die: () => void socket.destroy(),
        });
      };
    });
  }

  /** A request that has come to its upstream. */
  async function underWay(version: Version, host: string, what?: Ask): Promise<[Client, Upstream]> {
    const arrived = arrival(host);
    const client = await begin(version, host, what);
    return [client, await arrived];
  }

  /** Lets go of the connections that are kept for later. */
  function dropKept(): void {
    sessions.forEach((session) => session.destroy());
    sessions.clear();
    fixture.upstream.reset();
    fixture.upstream.onUpgrade = silent;
    h2.reset();
    for (const server of [fixture.upstream, h2, fixture.parent, ...servers]) {
      server.dropConnections();
    }
    for (const server of servers) {
      server.reset();
    }
    fixture.parent.asked.length = 0;
  }

  function leavesNothing(title: string, round: () => Promise<unknown>): void {
    it(`are none of ${title}`, async () => {
      const some = async (times: number) => {
        for (let left = times; left > 0; left--) {
          await round();
        }
      };
      await some(firstRounds);
      dropKept();
      await descriptorsAtRest();
      const before = openResources();
      await some(rounds);
      dropKept();
      assert.deepEqual(await moreOpenThan(before), []);
      const growths: number[] = [];
      // What is compiled or cached comes less and less; what is kept of each round comes every time.
      do {
        const heap = heapInUse();
        await some(rounds);
        dropKept();
        assert.deepEqual(await moreOpenThan(before), []);
        growths.push(heapInUse() - heap);
      } while (growths.length < attempts && growths.at(-1)! > rounds * perRound);
      assert.ok(growths.length < attempts, `bytes more in use after each ${rounds}: ${growths.join(", ")}`);
    }).timeout(60_000);
  }

  async function refused(
    host: string,
    status: number,
    code: OneCliError["code"],
    more: { headers?: readonly string[]; version?: Version } = {},
  ): Promise<void> {
    const { headers = [`Host: ${host}`], version = "http/1.1" } = more;
    if (version === "h2") {
      const answer = await ask(await sessionTo(host), { ":authority": headers[0]!.slice("Host: ".length) });
      assert.deepEqual([answer.status, answer.headers["x-onecli-error"]], [status, code]);
      return;
    }
    const wire = await fixture.open(host.includes(":") ? host : `${host}:443`);
    wire.send(requestHead("GET /", ...headers));
    assertRefusal(await wire.answer(), status, code);
    wire.socket.destroy();
  }

  async function refusedTunnel(target: string): Promise<void> {
    const { wire, answer } = await connectTo(fixture.endpoint, target);
    assert.equal(answer.status, 502);
    wire.socket.destroy();
  }

  for (const host of badCertificates) {
    leavesNothing(`requests to ${host}`, () => refused(host, 502, "upstream-certificate"));
  }
  leavesNothing("requests to an upstream that is not there", () =>
    refused(`127.0.0.1:${closedPort}`, 502, "upstream-unreachable"),
  );
  leavesNothing("tunnels to a target that is not there", () => refusedTunnel(`localhost:${closedPort}`));

  for (const version of versions) {
    leavesNothing(`misdirected requests by ${version}`, () =>
      refused(h1Host, 421, "misdirected", { headers: ["Host: evil.example"], version }),
    );
    leavesNothing(`requests by ${version} for which there is no secret`, () =>
      refused(missingHost, 424, "reference-not-found", { version }),
    );

    for (const host of [h1Host, h2Host]) {
      const way = `by ${version} to ${host}`;

      leavesNothing(`downloads ${way} whose client leaves`, async () => {
        const [client, upstream] = await underWay(version, host);
        upstream.answer(200, "half");
        await client.some();
        client.leave();
        await upstream.closed();
      });

      leavesNothing(`uploads ${way} whose client leaves`, async () => {
        const [client, upstream] = await underWay(version, host, { method: "POST", part: "half" });
        await once(upstream.body, "data");
        client.leave();
        await upstream.closed();
      });

      leavesNothing(`downloads ${way} whose upstream dies`, async () => {
        const [client, upstream] = await underWay(version, host);
        upstream.answer(200, "half");
        await client.some();
        upstream.die();
        await client.closed();
        client.leave();
      });

      leavesNothing(`uploads ${way} whose upstream dies`, async () => {
        const [client, upstream] = await underWay(version, host, { method: "POST", part: "half" });
        await once(upstream.body, "data");
        upstream.die();
        assert.equal(await client.status(), 502);
        client.leave();
        await client.closed();
      });

      leavesNothing(`WebSockets ${way} that are refused`, async () => {
        const [client, upstream] = await underWay(version, host, { isWebSocket: true });
        upstream.answer(403, "no");
        upstream.finish();
        assert.equal(await client.status(), 403);
        client.leave();
        await client.closed();
        await upstream.closed();
      });

      for (const end of ["client", "upstream"] as const) {
        leavesNothing(`WebSockets ${way} that the ${end} ends`, async () => {
          const [client, upstream] = await underWay(version, host, { isWebSocket: true });
          upstream.agree();
          assert.ok([101, 200].includes(await client.status()));
          const [first, second] = end === "client" ? [client, upstream] : [upstream, client];
          first.finish();
          second.finish();
          await Promise.all([client.closed(), upstream.closed()]);
          client.leave();
        });

        leavesNothing(`WebSockets ${way} that the ${end} cuts off`, async () => {
          const [client, upstream] = await underWay(version, host, { isWebSocket: true });
          upstream.agree();
          upstream.body.once("end", () => upstream.finish());
          await client.status();
          if (end === "client") {
            client.leave();
          } else {
            upstream.die();
          }
          await Promise.all([client.closed(), upstream.closed()]);
          client.leave();
        });
      }
    }
  }

  leavesNothing("connections of HTTP/2 that are cut off with requests under way", async () => {
    const arrived = arrival(h1Host);
    await begin("h2", h1Host);
    const upstream = await arrived;
    sessions.get(h1Host)?.destroy();
    await upstream.closed();
  });

  leavesNothing("requests whose client ends its side at once", async () => {
    const [client, upstream] = await underWay("http/1.1", h1Host);
    client.finish();
    upstream.answer(200, "whole");
    upstream.finish();
    await client.closed();
    client.leave();
  });

  /** A tunnel to a host that is not mapped, at both ends. */
  async function openTunnel(): Promise<[client: WireReader, end: WireReader]> {
    const [{ wire, answer }, end] = await Promise.all([
      connectTo(fixture.endpoint, `${tunnelHost}:443`),
      target.next(),
    ]);
    assert.equal(answer.status, 200);
    for (const { socket } of [wire, end]) {
      socket.on("error", silent);
    }
    return [wire, end];
  }

  for (const first of ["client", "target"] as const) {
    leavesNothing(`tunnels that are half closed by the ${first}, then closed`, async () => {
      const [client, end] = await openTunnel();
      const [one, other] = first === "client" ? [client, end] : [end, client];
      one.socket.end();
      await other.closed();
      other.socket.end();
      await one.closed();
      [one, other].forEach(({ socket }) => socket.destroy());
    });

    leavesNothing(`tunnels that are half closed by the ${first}, then cut off by it`, async () => {
      const [client, end] = await openTunnel();
      const [one, other] = first === "client" ? [client, end] : [end, client];
      one.socket.end();
      await other.closed();
      one.socket.resetAndDestroy();
      other.socket.destroy();
    });

    leavesNothing(`tunnels that are half closed by the ${first}, then cut off by the other end`, async () => {
      const [client, end] = await openTunnel();
      const [one, other] = first === "client" ? [client, end] : [end, client];
      one.socket.end();
      await other.closed();
      other.socket.resetAndDestroy();
      await one.closed();
      one.socket.destroy();
    });
  }

  for (const status of [403, 407] as const) {
    leavesNothing(`what a parent proxy answers ${status}`, async () => {
      if (status === 407) {
        fixture.parent.login = "user:password";
      } else {
        fixture.parent.refuseWith = status;
      }
      await refused(h1Host, 502, "upstream-unreachable");
      await refusedTunnel(`${tunnelHost}:443`);
    });
  }

  leavesNothing("clients that leave while a parent proxy says nothing", async () => {
    fixture.parent.silent = true;
    const asked = fixture.parent.nextAsked();
    const tunnel = await openConnection(fixture.endpoint);
    tunnel.send(
      requestHead(
        `CONNECT ${tunnelHost}:443`,
        `Host: ${tunnelHost}`,
        basicAuthorization(fixture.endpoint).trimEnd(),
      ),
    );
    await asked;
    tunnel.socket.destroy();
    for (const version of versions) {
      for (const isWebSocket of [false, true]) {
        const client = await begin(version, h1Host, { isWebSocket });
        client.leave();
        await client.closed();
      }
    }
  });

  leavesNothing("handshakes that are broken off", async () => {
    const { wire: silentOne } = await connectTo(fixture.endpoint, `${h1Host}:443`);
    silentOne.socket.destroy();
    const { wire: half } = await connectTo(fixture.endpoint, `${h1Host}:443`);
    // A ClientHello that announces more than follows.
    half.socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
    half.socket.destroy();
    const { wire: nonsense } = await connectTo(fixture.endpoint, `${h1Host}:443`);
    nonsense.send("GET / HTTP/1.1\r\n\r\n");
    await nonsense.closed();
    nonsense.socket.destroy();
    const { wire: distrusting } = await connectTo(fixture.endpoint, `${h1Host}:443`);
    distrusting.socket.removeAllListeners("data");
    const socket = connectTls({
      socket: distrusting.socket,
      ca: fixture.upstreamAuthority.certificate,
      servername: h1Host,
    });
    await once(socket, "error");
    socket.destroy();
  });

  leavesNothing("connections that say nothing, or half of a CONNECT", async () => {
    for (const said of ["", `CONNECT ${h1Host}:443 HTTP/1.1\r\nHost:`]) {
      const wire = await openConnection(fixture.endpoint);
      wire.send(said);
      wire.socket.destroy();
    }
    const wire = await openConnection(fixture.endpoint);
    wire.send(requestHead(`CONNECT ${h1Host}:443`, `Host: ${h1Host}`));
    assertRefusal(await wire.answer(), 407, "proxy-authentication-required");
    wire.socket.destroy();
  });
});
