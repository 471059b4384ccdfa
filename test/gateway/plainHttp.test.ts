import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { parseParentProxy } from "../../src/core/parentProxy.ts";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { RawServer } from "../support/upstreamServer.ts";
import { assertRefusal, basicAuthorization, openConnection, requestHead } from "../support/wire.ts";

describe("plain http", () => {
  let viaParent: Fixture;
  let direct: Fixture;
  let server: Server;
  let port: number;
  const received: IncomingMessage[] = [];
  const mappings = [
    { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
    { hostname: "*.example.com", reference: "op://API Keys/OpenAI/api-key" },
    { hostname: "alt.test:8080", reference: "op://API Keys/OpenAI/api-key" },
  ];
  before(async () => {
    viaParent = await startFixture({ mappings });
    direct = await startFixture({ mappings, parentProxy: undefined });
    server = createServer((request, response) => {
      received.push(request);
      response.writeHead(200, "Fine", ["X-b", "1", "x-B", "\u00e9", "Content-Length", "2"]);
      response.end(Buffer.from("ok"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
    viaParent.parent.routes.set("plain.test:80", port);
  });
  after(async () => {
    await Promise.all([viaParent.stop(), direct.stop()]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  beforeEach(() => void (received.length = 0));

  async function ask(fixture: Fixture, line: string, ...fields: string[]) {
    const wire = await openConnection(fixture.endpoint);
    wire.send(requestHead(line, basicAuthorization(fixture.endpoint).trimEnd(), ...fields));
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  const refused = [
    "http://api.openai.com/v1",
    "http://API.OPENAI.com:80/",
    "http://api.openai.com.:443/",
    "http://a.b.example.com/",
    "http://%61pi.openai.com/",
    "HTTP://api.openai.com/",
    "http://alt.test:8080/",
  ];
  for (const url of refused) {
    it(`refuses ${url} with 403 and sends nothing anywhere (errors: insecure-request)`, async () => {
      const asked = viaParent.parent.asked.length;
      const answer = await ask(viaParent, `GET ${url}`, "Host: unmapped.example");
      assertRefusal(answer, 403, "insecure-request");
      assert.equal(viaParent.parent.asked.length, asked);
      assert.equal(viaParent.service.requests.length, 0);
    });
  }

  it("is forwarded to a host that is not mapped, byte for byte (contracts 10, 11, 26)", async () => {
    const fields = ["X-b: 1", "x-B: \u00ff", "Cookie: a", "cookie: b", "Authorization: Basic mine"];
    const answer = await ask(
      direct,
      `GET http://127.0.0.1:${port}//a%2f?b=;c`,
      ...fields,
      "Host: other.test",
      "TE: x",
    );
    assert.deepEqual([answer.status, answer.reason, answer.body], [200, "Fine", "ok"]);
    assert.deepEqual(answer.rawHeaders.slice(0, 6), ["X-b", "1", "x-B", "\u00e9", "Content-Length", "2"]);
    const [request] = received;
    assert.equal(request?.url, "//a%2f?b=;c");
    assert.deepEqual(request.rawHeaders, [
      ...["host", `127.0.0.1:${port}`, "connection", "keep-alive"],
      ...["X-b", "1", "x-B", "\u00ff", "Cookie", "a", "cookie", "b", "Authorization", "Basic mine"],
    ]);
  });

  it("takes its body along", async () => {
    const wire = await openConnection(direct.endpoint);
    const authorization = basicAuthorization(direct.endpoint).trimEnd();
    wire.send(
      requestHead(`POST http://127.0.0.1:${port}/`, authorization, "Host: x", "Transfer-Encoding: chunked") +
        "3\r\nabc\r\n0\r\n\r\n",
    );
    const arrived = new Promise<Buffer>((resolve) => {
      server.once("request", (request: IncomingMessage) => request.once("data", resolve));
    });
    assert.equal((await arrived).toString(), "abc");
    assert.equal((await wire.answer()).status, 200);
    wire.socket.destroy();
  });

  it("goes to the parent proxy in absolute-form, with the parent's credential and not ours", async () => {
    const parent = await RawServer.start();
    const fixture = await startFixture({
      mappings: [],
      parentProxy: parseParentProxy(`http://user:pa%20ss@127.0.0.1:${parent.port}`),
    });
    const wire = await openConnection(fixture.endpoint);
    const authorization = basicAuthorization(fixture.endpoint).trimEnd();
    wire.send(requestHead("GET http://plain.test:8080/a?b", authorization, "Host: plain.test:8080", "X: y"));
    const connection = await parent.next();
    assert.deepEqual((await connection.until("\r\n\r\n")).trimEnd().split("\r\n"), [
      "GET http://plain.test:8080/a?b HTTP/1.1",
      "host: plain.test:8080",
      "connection: keep-alive",
      "X: y",
      `proxy-authorization: Basic ${Buffer.from("user:pa ss").toString("base64")}`,
    ]);
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert.equal((await wire.answer()).body, "ok");
    wire.socket.destroy();
    await Promise.all([fixture.stop(), parent.close()]);
  });

  it("reaches its host through the parent proxy", async () => {
    assert.equal((await ask(viaParent, "GET http://plain.test/x", "Host: plain.test")).body, "ok");
    assert.equal(viaParent.parent.asked.at(-1), "http://plain.test/x");
  });

  it("is answered 502 with JSON when its host cannot be reached", async () => {
    const gone = await RawServer.start();
    const refusing = gone.port;
    await gone.close();
    for (const url of [`http://127.0.0.1:${refusing}/`, "http://nowhere.invalid/"]) {
      assertRefusal(await ask(direct, `GET ${url}`, "Host: x"), 502, "upstream-unreachable");
    }
  });

  it("passes the parent's own refusal of a plain request as it is", async () => {
    assert.equal((await ask(viaParent, "GET http://nowhere.test/", "Host: x")).status, 502);
    assert.equal(viaParent.parent.asked.at(-1), "http://nowhere.test/");
  });

  it("keeps its connection to the gateway for further requests", async () => {
    const wire = await openConnection(direct.endpoint);
    const authorization = basicAuthorization(direct.endpoint).trimEnd();
    for (const path of ["/1", "/2"]) {
      wire.send(requestHead(`GET http://127.0.0.1:${port}${path}`, authorization, "Host: x"));
      assert.equal((await wire.answer()).body, "ok");
    }
    assert.deepEqual(
      received.map(({ url }) => url),
      ["/1", "/2"],
    );
    wire.socket.destroy();
  });

  for (const url of ["http:///path", "http://a..b/", "ftp://plain.test/", "http://user@plain.test/"]) {
    it(`refuses ${url} with 400`, async () => {
      assertRefusal(await ask(direct, `GET ${url}`, "Host: x"), 400, "bad-request");
    });
  }
});
