import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { RawServer } from "../support/upstreamServer.ts";
import {
  assertRefusal,
  basicAuthorization,
  connectTo,
  openConnection,
  requestHead,
} from "../support/wire.ts";

describe("stopping", () => {
  let fixture: Fixture;
  beforeEach(async () => (fixture = await startFixture()));
  afterEach(() => fixture.stop());

  const target = "api.openai.com:443";
  const host = "Host: api.openai.com";

  /** An open connection with a request that is answered when `finish` is called. */
  async function requestInFlight() {
    let finish: (() => void) | undefined;
    fixture.upstream.handler = (_request, response) => {
      response.setHeader("content-length", 2);
      response.write("o");
      finish = () => void response.end("k");
    };
    const wire = await fixture.open(target);
    wire.send(requestHead("GET /", host));
    await wire.until("\r\n\r\no");
    return { wire, finish: finish! };
  }

  it("closes the listener at once, while a request is still in flight (contract 19)", async () => {
    const { wire, finish } = await requestInFlight();
    const stopped = fixture.gateway.stop();
    const socket = connect({ port: fixture.endpoint.port, host: "127.0.0.1" });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
    finish();
    assert.equal((await wire.bytes(1)).toString(), "k");
    await Promise.all([stopped, wire.closed()]);
  });

  it("closes idle and silent connections and handshakes at once, while a request is in flight (contract 19)", async () => {
    const { wire, finish } = await requestInFlight();
    const idle = await fixture.open("api.github.com:443");
    idle.send(requestHead("OPTIONS *", "Host: api.github.com"));
    await idle.answer();
    const silent = await openConnection(fixture.endpoint);
    const handshake = (await connectTo(fixture.endpoint, target)).wire;
    const stopped = fixture.gateway.stop();
    await Promise.all([idle.closed(), silent.closed(), handshake.closed()]);
    finish();
    assert.equal((await wire.bytes(1)).toString(), "k");
    await Promise.all([stopped, wire.closed()]);
  });

  it("lets requests in flight finish, with their uploads, and then closes tunnels (contract 19)", async () => {
    fixture.upstream.handler = (request, response) => {
      request.on("end", () => void response.end("all of it"));
    };
    const wire = await fixture.open(target);
    wire.send(requestHead("POST /", host, "Content-Length: 4") + "ha");
    const received = await fixture.upstream.next();
    const { wire: tunnel } = await connectTo(fixture.endpoint, "unmapped.example:443");
    const stopped = fixture.gateway.stop();
    wire.send("lf");
    assert.equal((await wire.answer()).body, "all of it");
    assert.equal((await received.body).toString(), "half");
    await Promise.all([stopped, wire.closed(), tunnel.closed()]);
  });

  it("answers a new request on a busy connection with 503 gateway-stopping (contracts 4, 19)", async () => {
    const echo = await RawServer.start();
    fixture.parent.routes.set("echo.example:443", echo.port);
    const { wire: tunnel } = await connectTo(fixture.endpoint, "echo.example:443");
    const other = await echo.next();
    const { wire, finish } = await requestInFlight();
    const stopped = fixture.gateway.stop();
    wire.send(requestHead("GET /second", host));
    // What is sent later through the tunnel arrives after the gateway has read the request.
    tunnel.send("later");
    await other.bytes(5);
    finish();
    assert.equal((await wire.bytes(1)).toString(), "k");
    const answer = await wire.answer();
    assertRefusal(answer, 503, "gateway-stopping");
    assert.equal(answer.headers["connection"], "close");
    await Promise.all([stopped, wire.closed(), tunnel.closed()]);
    assert.deepEqual(
      fixture.upstream.received.map(({ url }) => url),
      ["/"],
    );
    await echo.close();
  });

  it("takes back nothing: a second stop is the first", async () => {
    const stopped = fixture.gateway.stop();
    assert.equal(fixture.gateway.stop(), stopped);
    await stopped;
  });

  it("does not wait for a client that never reads nor writes", async () => {
    const { wire: tunnel } = await connectTo(fixture.endpoint, "unmapped.example:443");
    tunnel.socket.pause();
    await fixture.gateway.stop();
    tunnel.socket.resume();
    await tunnel.closed();
  });

  it("cuts what is stuck when the time is over (contract 19)", async () => {
    const { wire } = await requestInFlight();
    await fixture.gateway.stop();
    assert.equal(await wire.rest(), "");
  });

  it("lets a plain request in flight finish as well (contract 19)", async () => {
    const server = await RawServer.start();
    fixture.parent.routes.set("plain.test:80", server.port);
    const wire = await openConnection(fixture.endpoint);
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    wire.send(requestHead("GET http://plain.test/", "Host: plain.test", authorization));
    const connection = await server.next();
    await connection.until("\r\n\r\n");
    const stopped = fixture.gateway.stop();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await wire.answer()).body, "ok");
    await Promise.all([stopped, wire.closed()]);
    await server.close();
  });

  it("leaves nothing open: the process ends by itself (contract 19)", async () => {
    const silent = await RawServer.start();
    fixture.parent.routes.set("api.github.com:443", silent.port);
    const held = fixture.parent.hold();
    fixture.upstream.handler = (request, response) => {
      if (request.url === "/") {
        response.end("ok");
      }
    };
    const program = fileURLToPath(new URL("stoppingProgram.ts", import.meta.url));
    const { parent, service, upstreamAuthority } = fixture;
    const child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        program,
        parent.url,
        upstreamAuthority.certificate,
        service.token,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const [output, errors, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit") as Promise<[number | null]>,
    ]);
    assert.deepEqual([output, errors, status], ["served 200, stopped\n", "", 0]);
    assert.ok(parent.asked.includes("held.example:443") && parent.asked.includes("api.github.com:443"));
    assert.equal(fixture.upstream.received.at(-1)?.url, "/never-answered");
    held.release();
    await silent.close();
  });
});
