import assert from "node:assert/strict";
import { type Fixture, secrets, startFixture } from "../support/gatewayFixture.ts";
import { assertRefusal, requestHead, type WireReader } from "../support/wire.ts";

describe("what is forwarded", () => {
  let fixture: Fixture;
  let wire: WireReader;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  beforeEach(async () => {
    fixture.upstream.reset();
    wire = await fixture.open("api.openai.com:443");
  });
  afterEach(() => wire.socket.destroy());

  const host = "Host: api.openai.com";
  const injected = ["Authorization", `Bearer ${secrets.openai}`];

  /** Sends a head and what follows it; the answer, and the request as the upstream got it. */
  async function ask(head: string, body = "", bodiless = false) {
    wire.send(head + body);
    const answer = await wire.answer({ bodiless });
    return { answer, received: fixture.upstream.received.at(-1)! };
  }

  /** Without the fields of the gateway's own connection to the upstream. */
  function ownFields(rawHeaders: readonly string[], names: readonly string[]): string[] {
    const fields: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (!names.includes(rawHeaders[index]!.toLowerCase())) {
        fields.push(rawHeaders[index]!, rawHeaders[index + 1]!);
      }
    }
    return fields;
  }

  it("passes header fields in case, order and repetition, and adds the secret alone (contract 10)", async () => {
    const fields = [
      ["x-B", "2"],
      ["X-a", "1"],
      ["x-b", "again"],
      ["ACCEPT", "*/*"],
      ["Cookie", "a=1"],
      ["cookie", "b=2"],
      ["X-Empty", ""],
      ["accept-Encoding", "br;q=0"],
      ["Via", "1.1 me"],
      ["X-Forwarded-For", "10.0.0.1"],
      ["User-Agent", "agent/1 (x; y)"],
    ] as const;
    const { received } = await ask(
      requestHead("GET /", host, ...fields.map(([name, value]) => `${name}: ${value}`)),
    );
    assert.deepEqual(ownFields(received.rawHeaders, ["host", "connection"]), [...fields.flat(), ...injected]);
  });

  it("adds nothing to a bare request (contract 10)", async () => {
    const { received } = await ask(requestHead("GET /", host));
    assert.deepEqual(ownFields(received.rawHeaders, ["connection"]), ["host", "api.openai.com", ...injected]);
  });

  it("replaces every Authorization of the client by the secret (contract 10)", async () => {
    const { received } = await ask(
      requestHead("GET /", host, "authorization: Bearer mine", "X: y", "AUTHORIZATION: Basic also"),
    );
    assert.deepEqual(ownFields(received.rawHeaders, ["host", "connection"]), ["X", "y", ...injected]);
  });

  it("stops hop-by-hop fields, those named in Connection, and Proxy-* (contract 10)", async () => {
    const { received } = await ask(
      requestHead(
        "GET /",
        host,
        "Connection: keep-alive, X-Named, x-also",
        "Connection: X-Third",
        "X-Named: 1",
        "X-ALSO: 2",
        "X-Third: 3",
        "Keep-Alive: timeout=5",
        "TE: gzip",
        "Trailer: X",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Connection: keep-alive",
        "proxy-anything: 1",
        "X-Kept: yes",
      ),
    );
    assert.deepEqual(ownFields(received.rawHeaders, ["host", "connection"]), ["X-Kept", "yes", ...injected]);
  });

  it("does not let Connection take away Host, Content-Length or the secret (contract 10)", async () => {
    const { received } = await ask(
      requestHead("POST /", host, "Connection: Host, Content-Length, Authorization", "Content-Length: 3"),
      "abc",
    );
    assert.equal(received.headers.host, "api.openai.com");
    assert.equal(received.headers.authorization, injected[1]);
    assert.equal((await received.body).toString(), "abc");
  });

  it("passes an answer's fields in case, order and repetition, and adds none (contract 10)", async () => {
    const fields = [
      "X-b",
      "1",
      "Set-Cookie",
      "a=1",
      "x-B",
      "2",
      "set-cookie",
      "b=2",
      "DATE",
      "never",
      "Server",
      "s",
    ];
    fixture.upstream.handler = (_request, response) => {
      response.sendDate = false;
      response.writeHead(299, "Very Well", [
        ...fields,
        "Content-Length",
        "2",
        "Proxy-Authenticate",
        "Basic",
        "proxy-x",
        "1",
        "Connection",
        "X-Named",
        "X-Named",
        "1",
      ]);
      response.end("ok");
    };
    const { answer } = await ask(requestHead("GET /", host));
    assert.deepEqual([answer.status, answer.reason, answer.body], [299, "Very Well", "ok"]);
    assert.deepEqual(ownFields(answer.rawHeaders, ["connection"]), [...fields, "Content-Length", "2"]);
  });

  it("passes bytes 0x80 to 0xFF of header values in both directions (contract 26)", async () => {
    const high = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join("");
    for (const chunked of [false, true]) {
      fixture.upstream.handler = (_request, response) => {
        response.writeHead(200, ["X-High", high, ...(chunked ? [] : ["Content-Length", "1"])]);
        // With a string Node would send the head as UTF-8.
        response.end(Buffer.from("x"));
      };
      const { answer, received } = await ask(requestHead("GET /", host, `X-High: ${high}`));
      assert.equal(received.headers["x-high"], high);
      assert.equal(answer.headers["x-high"], high);
    }
  });

  for (const target of [
    "//a///b",
    "/a/../b/./c",
    "/%7e%2F%00%ff",
    "/p;x=1,2/q;y",
    "/?a=b&&c=%20d+e?f=/",
    "/a?",
    "/'\"|{}^`<>",
  ]) {
    it(`passes the target ${JSON.stringify(target)} byte for byte (contract 11)`, async () => {
      const { answer, received } = await ask(requestHead(`GET ${target}`, host));
      assert.deepEqual([answer.status, received.url], [200, target]);
    });
  }

  it("refuses a target with bytes that no URL has (contract 11)", async () => {
    wire.send(requestHead("GET /caf\u00e9", host));
    assertRefusal(await wire.answer(), 400, "bad-request");
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("passes methods as they are (contract 11)", async () => {
    for (const method of [
      "GET",
      "POST",
      "PUT",
      "PATCH",
      "DELETE",
      "OPTIONS",
      "PROPFIND",
      "QUERY",
      "M-SEARCH",
      "PURGE",
    ]) {
      const { received } = await ask(requestHead(`${method} /`, host, "Content-Length: 2"), "{}");
      assert.equal(received.method, method);
      assert.equal((await received.body).toString(), "{}", method);
    }
  });

  it("passes redirects and follows none (contract 12)", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      fixture.upstream.reset();
      fixture.upstream.handler = (_request, response) => {
        response.writeHead(status, { location: "https://api.github.com/", "content-length": 0 }).end();
      };
      const { answer } = await ask(requestHead("POST /", host, "Content-Length: 2"), "ok");
      assert.deepEqual([answer.status, answer.headers["location"]], [status, "https://api.github.com/"]);
      assert.equal(fixture.upstream.received.length, 1);
    }
  });

  it("retries nothing, whatever the answer says (contract 12)", async () => {
    for (const status of [408, 421, 425, 429, 500, 502, 503, 504]) {
      fixture.upstream.reset();
      fixture.upstream.handler = (_request, response) => {
        response.writeHead(status, { "retry-after": "0", "content-length": 0 }).end();
      };
      const { answer } = await ask(requestHead("GET /", host));
      assert.deepEqual([answer.status, answer.headers["retry-after"]], [status, "0"]);
      assert.equal(answer.headers["x-onecli-error"], undefined);
      assert.equal(fixture.upstream.received.length, 1);
    }
  });

  it("keeps more than a thousand header fields both ways (contract 10)", async () => {
    const names = Array.from({ length: 1_500 }, (_, index) => `x-${index}`);
    fixture.upstream.handler = (_request, response) => {
      response.writeHead(200, [...names.flatMap((name) => [name, "down"]), "content-length", "0"]).end();
    };
    const { answer, received } = await ask(requestHead("GET /", host, ...names.map((name) => `${name}: up`)));
    assert.equal(received.rawHeaders.filter((part) => part === "up").length, 1_500);
    assert.equal(answer.rawHeaders.filter((part) => part === "down").length, 1_500);
  });
});
