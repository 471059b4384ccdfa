import assert from "node:assert/strict";
import {
  assertNotItself,
  noProxyOfEnvironment,
  type ParentProxy,
  ParentProxyError,
  parentProxyOfEnvironment,
  parseParentProxy,
} from "../../../src/core/parentProxy.ts";

const basic = (login: string) => `Basic ${Buffer.from(login).toString("base64")}`;

describe("a parent proxy's URL", () => {
  const rows: readonly (readonly [string, ParentProxy])[] = [
    ["http://proxy.example:3128", { kind: "http", host: "proxy.example", port: 3128, isAddress: false }],
    ["http://Proxy.Example.", { kind: "http", host: "proxy.example", port: 80, isAddress: false }],
    ["proxy.example:3128", { kind: "http", host: "proxy.example", port: 3128, isAddress: false }],
    ["https://proxy.example", { kind: "https", host: "proxy.example", port: 443, isAddress: false }],
    ["https://proxy.example:80/", { kind: "https", host: "proxy.example", port: 80, isAddress: false }],
    ["socks5://proxy.example", { kind: "socks5", host: "proxy.example", port: 1080, isAddress: false }],
    ["SOCKS5H://PROXY.example:80/", { kind: "socks5", host: "proxy.example", port: 80, isAddress: false }],
    ["socks5://[::1]:1081", { kind: "socks5", host: "[::1]", port: 1081, isAddress: true }],
    ["https://10.0.0.1:8080", { kind: "https", host: "10.0.0.1", port: 8080, isAddress: true }],
    [
      "http://us%20er:p%40ss%3Aw%C3%B6rd@proxy.example:3128",
      {
        kind: "http",
        host: "proxy.example",
        port: 3128,
        isAddress: false,
        authorization: basic("us er:p@ss:wörd"),
      },
    ],
    [
      "https://user@proxy.example",
      { kind: "https", host: "proxy.example", port: 443, isAddress: false, authorization: basic("user:") },
    ],
    [
      "socks5://us%20er:p%40ss@proxy.example",
      {
        kind: "socks5",
        host: "proxy.example",
        port: 1080,
        isAddress: false,
        login: { username: "us er", password: "p@ss" },
      },
    ],
  ];
  for (const [text, parent] of rows) {
    it(`reads ${text} (contracts 23, 41)`, () => {
      assert.deepEqual(parseParentProxy(text), parent);
    });
  }

  it("gives way to an authorization of its own", () => {
    const parent = parseParentProxy("http://user:password@proxy.example", "Bearer abc");
    assert.equal(parent.authorization, "Bearer abc");
    assert.throws(() => parseParentProxy("http://proxy.example", "Basic abc\r\nX: y"), ParentProxyError);
    // There is no such field in SOCKS.
    assert.equal(parseParentProxy("socks5://proxy.example", "Basic abc").authorization, undefined);
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ["socks4://u:S3CR3T@proxy.example", /socks4:\/\/ where http, https or socks5/],
    ["socks4a://u:S3CR3T@proxy.example", /socks4a:/],
    ["socks://u:S3CR3T@proxy.example", /socks:/],
    ["pac+http://u:S3CR3T@proxy.example/x", /pac\+http:/],
    ["ftp://u:S3CR3T@proxy.example", /ftp:/],
    ["http://u:S3CR3T@proxy.example/path", /path/],
    ["socks5://u:S3CR3T@proxy.example/path", /path/],
    ["socks5://u:S3CR3T@proxy.example?x", /query/],
    ["socks5://u:S3CR3T@", /./],
    ["socks5://u:S3CR3T@a..b:1080", /empty label/],
    ["socks5://u:S3CR3T@a b", /./],
    ["socks5://u:S3CR3T%ZZ@proxy.example", /%/],
    ["http://u:S3CR3T@proxy.example:99999", /no URL/],
    [`socks5://u:S3CR3T${"x".repeat(250)}@proxy.example`, /255/],
    ["", /no URL/],
  ];
  for (const [text, reason] of refused) {
    it(`is refused as ${JSON.stringify(text.slice(0, 50))}, and not shown (contract 23)`, () => {
      assert.throws(
        () => parseParentProxy(text),
        (error: unknown) => {
          assert.ok(error instanceof ParentProxyError);
          assert.match(error.message, reason);
          assert.doesNotMatch(error.message, /S3CR3T|proxy\.example/);
          return true;
        },
      );
    });
  }
});

describe("the parent proxy of the environment", () => {
  const host = (environment: Record<string, string>) => parentProxyOfEnvironment(environment)?.host;

  it("is what HTTPS_PROXY or https_proxy names (contract 23)", () => {
    assert.equal(host({}), undefined);
    assert.equal(host({ HTTPS_PROXY: "", https_proxy: "" }), undefined);
    assert.equal(host({ HTTPS_PROXY: "", https_proxy: "socks5://lower.example" }), "lower.example");
    assert.equal(
      host({ HTTPS_PROXY: "http://upper.example", https_proxy: "http://lower.example" }),
      "upper.example",
    );
    assert.equal(host({ HTTP_PROXY: "http://other.example", ALL_PROXY: "http://other.example" }), undefined);
  });

  it("is never a gateway of ours, whatever the URL's form (contract 37)", () => {
    const marker = { ONECLI_PROXY_SESSION: "127.0.0.1:4000" };
    for (const url of [
      "http://onecli:pw@127.0.0.1:4000",
      "127.0.0.1:4000",
      "https://127.0.0.1:4000/",
      "socks5://127.0.0.1:4000",
      "socks5h://localhost:4000",
    ]) {
      assert.equal(host({ ...marker, HTTPS_PROXY: url }), undefined, url);
      assert.equal(host({ ...marker, https_proxy: url }), undefined, url);
      assert.equal(host({ ...marker, HTTPS_PROXY: url, https_proxy: url }), undefined, url);
      assert.equal(host({ ...marker, HTTPS_PROXY: url, https_proxy: "http://real.example" }), "real.example");
    }
    assert.equal(host({ ...marker, HTTPS_PROXY: "http://127.0.0.1:4001" }), "127.0.0.1");
  });

  it("comes with NO_PROXY and no_proxy (contract 23)", () => {
    assert.deepEqual(noProxyOfEnvironment({}), []);
    assert.deepEqual(noProxyOfEnvironment({ NO_PROXY: "a", no_proxy: "b,c" }), ["a", "b,c"]);
  });
});

describe("a parent proxy that is set", () => {
  it("is not the gateway itself, however that is written (contract 37)", () => {
    const itself = [
      "127.0.0.1:4000",
      "https://localhost:4000",
      "socks5://0.0.0.0:4000",
      "[::ffff:127.0.0.1]:4000",
    ];
    for (const text of itself) {
      assert.throws(() => assertNotItself(parseParentProxy(text), 4000), /leads back to this gateway/, text);
    }
    for (const text of ["127.0.0.1:4001", "proxy.example:4000", "[::1]:4000", "127.0.0.2:4000"]) {
      assertNotItself(parseParentProxy(text), 4000);
    }
  });
});
