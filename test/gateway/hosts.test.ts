import assert from "node:assert/strict";
import { type Fixture, startFixture } from "../support/gatewayFixture.ts";
import { assertRefusal, requestHead } from "../support/wire.ts";

describe("requests on an intercepted connection", () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture({
      mappings: [
        { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" },
        { hostname: "api.github.com", reference: "op://Dev Tokens/GitHub/token" },
        { hostname: "alt.example.com:8443", reference: "op://Dev Tokens/GitHub/token" },
      ],
    });
  });
  after(() => fixture.stop());
  beforeEach(() => fixture.upstream.reset());

  async function ask(text: string, target = "api.openai.com:443") {
    const wire = await fixture.open(target);
    wire.send(text);
    const answer = await wire.answer();
    wire.socket.destroy();
    return answer;
  }

  for (const host of [
    "api.openai.com",
    "API.OpenAI.com",
    "api.openai.com:443",
    "api.openai.com.",
    "api.openai.com.:443",
    "%61pi.openai.com",
  ]) {
    it(`takes Host "${host}" and sends it on as it is (contract 7)`, async () => {
      const answer = await ask(requestHead("GET /", `Host: ${host}`));
      assert.equal(answer.status, 200);
      assert.equal(fixture.upstream.received[0]?.headers.host, host);
    });
  }

  const others = [
    "api.github.com",
    "api.openai.com.evil.com",
    "evil.com",
    "api.openai.com:80",
    "api.openai.com:8443",
    "openai.com",
    "x.api.openai.com",
    "api.openai.com@evil.com",
    "evil.com#api.openai.com",
    "api.openai.com/",
    "api.openai.com, api.openai.com",
    "127.0.0.1",
    "",
  ];
  for (const host of others) {
    it(`refuses Host "${host}" with 421, and the request goes nowhere (contract 7)`, async () => {
      const answer = await ask(requestHead("GET /", `Host: ${host}`));
      assertRefusal(answer, 421, "misdirected");
      assert.equal(fixture.upstream.received.length, 0);
    });
  }

  it("refuses a missing or doubled Host with 400 (contract 7)", async () => {
    for (const fields of [
      [],
      ["Host: api.openai.com", "Host: api.openai.com"],
      ["Host: api.openai.com", "hOST: evil.com"],
    ]) {
      assertRefusal(await ask(requestHead("GET /", ...fields)), 400, "bad-request");
    }
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("compares the port of a mapping that has one (contracts 5, 7)", async () => {
    const target = "alt.example.com:8443";
    assert.equal((await ask(requestHead("GET /", "Host: alt.example.com:8443"), target)).status, 200);
    assert.equal(fixture.upstream.received[0]?.headers.host, "alt.example.com:8443");
    for (const host of ["alt.example.com", "alt.example.com:443", "alt.example.com:84430"]) {
      assertRefusal(await ask(requestHead("GET /", `Host: ${host}`), target), 421, "misdirected");
    }
    assert.equal(fixture.upstream.received.length, 1);
  });

  it("takes an absolute-form target for the same authority and sends its path (contracts 7, 11)", async () => {
    const paths: readonly (readonly [string, string])[] = [
      ["https://api.openai.com/v1/a?b=c", "/v1/a?b=c"],
      ["HTTPS://API.openai.com:443//x;y", "//x;y"],
      ["https://api.openai.com", "/"],
      ["https://api.openai.com?x=1", "/?x=1"],
    ];
    for (const [target, path] of paths) {
      assert.equal((await ask(requestHead(`GET ${target}`, "Host: api.openai.com"))).status, 200, target);
      assert.equal(fixture.upstream.received.at(-1)?.url, path);
    }
  });

  it("refuses an absolute-form target for another authority with 421 (contract 7)", async () => {
    for (const target of [
      "https://api.github.com/",
      "https://api.openai.com:8443/",
      "https://api.openai.com@evil.com/",
    ]) {
      assertRefusal(await ask(requestHead(`GET ${target}`, "Host: api.openai.com")), 421, "misdirected");
    }
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("refuses an absolute-form target of another scheme or form", async () => {
    for (const target of [
      "http://api.openai.com/",
      "ftp://api.openai.com/",
      "https://evil.com\\@api.openai.com/",
    ]) {
      assertRefusal(await ask(requestHead(`GET ${target}`, "Host: api.openai.com")), 400, "bad-request");
    }
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("refuses the right absolute-form target under a wrong Host (contract 7)", async () => {
    const answer = await ask(requestHead("GET https://api.openai.com/", "Host: evil.com"));
    assertRefusal(answer, 421, "misdirected");
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("refuses CONNECT inside the TLS with 405 (contract 7)", async () => {
    for (const target of ["api.openai.com:443", "evil.com:443"]) {
      const asked = fixture.parent.asked.length;
      const answer = await ask(requestHead(`CONNECT ${target}`, "Host: api.openai.com"));
      assertRefusal(answer, 405, "method-not-allowed");
      assert.equal(fixture.parent.asked.length, asked);
    }
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("refuses TRACE with 405: it would reflect the secret (contract 11)", async () => {
    assertRefusal(await ask(requestHead("TRACE /", "Host: api.openai.com")), 405, "method-not-allowed");
    assert.equal(fixture.upstream.received.length, 0);
  });

  it("answers OPTIONS * with 501 and passes OPTIONS on a path (contract 11)", async () => {
    assertRefusal(await ask(requestHead("OPTIONS *", "Host: api.openai.com")), 501, "not-implemented");
    assert.equal(fixture.upstream.received.length, 0);
    assert.equal((await ask(requestHead("OPTIONS /v1", "Host: api.openai.com"))).status, 200);
    assert.equal(fixture.upstream.received[0]?.method, "OPTIONS");
  });

  for (const coding of ["gzip, chunked", "deflate, chunked"]) {
    it(`refuses the transfer coding ${coding}, which it could not pass on`, async () => {
      const answer = await ask(
        `${requestHead("POST /", "Host: api.openai.com", `Transfer-Encoding: ${coding}`)}0\r\n\r\n`,
      );
      assertRefusal(answer, 501, "not-implemented");
      assert.equal(fixture.upstream.received.length, 0);
    });
  }

  it("strips any other upgrade and serves the request", async () => {
    const answer = await ask(
      requestHead(
        "GET /",
        "Host: api.openai.com",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
      ),
    );
    assert.equal(answer.status, 200);
    const { headers } = fixture.upstream.received[0]!;
    assert.deepEqual([headers.upgrade, headers["http2-settings"]], [undefined, undefined]);
  });

  it("goes on serving a connection on which a request was misdirected", async () => {
    const wire = await fixture.open("api.openai.com:443");
    wire.send(requestHead("GET /", "Host: evil.com") + requestHead("GET /good", "Host: api.openai.com"));
    assertRefusal(await wire.answer(), 421, "misdirected");
    assert.equal((await wire.answer()).status, 200);
    assert.deepEqual(
      fixture.upstream.received.map(({ url }) => url),
      ["/good"],
    );
    wire.socket.destroy();
  });
});
