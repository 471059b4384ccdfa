import assert from "node:assert/strict";
import {
  formatAuthority,
  formatHostPattern,
  HostnameError,
  indexHosts,
  parseAuthority,
  parseHostPattern,
} from "../../../src/core/hostname.ts";

describe("parseAuthority", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["api.openai.com:443", "api.openai.com"],
    ["API.OpenAI.com:443", "api.openai.com"],
    ["api.openai.com.:443", "api.openai.com"],
    ["api.openai.com:8443", "api.openai.com:8443"],
    ["ex%61mple.com:443", "example.com"],
    ["bücher.example:443", "xn--bcher-kva.example"],
    ["BÜCHER.example:443", "xn--bcher-kva.example"],
    ["xn--bcher-kva.example:443", "xn--bcher-kva.example"],
    ["ａｐｉ.openai.com:443", "api.openai.com"],
    ["api。openai。com:443", "api.openai.com"],
    ["127.1:443", "127.0.0.1"],
    ["0x7f.1:443", "127.0.0.1"],
    ["2130706433:443", "127.0.0.1"],
    ["0177.0.0.1:443", "127.0.0.1"],
    ["127.0.0.1.:443", "127.0.0.1"],
    ["[::1]:443", "[::1]"],
    ["[0:0:0:0:0:0:0:1]:443", "[::1]"],
    ["[::FFFF:127.0.0.1]:443", "[::ffff:7f00:1]"],
    ["localhost:443", "localhost"],
    ["_dmarc.example.com:443", "_dmarc.example.com"],
  ];
  for (const [text, canonical] of cases) {
    it(`reads ${text} as ${canonical}`, () => {
      assert.equal(formatAuthority(parseAuthority(text)), canonical);
    });
  }

  const refused = [
    "",
    ":443",
    "example.com",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:99999",
    "example.com:4 3",
    "user@example.com:443",
    "example.com/path:443",
    "example.com:443/path",
    "example.com\\path:443",
    "example.com?x:443",
    "example.com#x:443",
    "exam ple.com:443",
    "exam\tple.com:443",
    "exam\nple.com:443",
    "a..b:443",
    ".example.com:443",
    "example.com..:443",
    "exam%2fple.com:443",
    "exam%00ple.com:443",
    "exam%40ple.com:443",
    "[::1:443",
    "::1]:443",
    "[fe80::1%25eth0]:443",
    "256.1.1.1:443",
    "1.2.3.4.5:443",
    "exa$mple.com:443",
    `${"a".repeat(64)}.com:443`,
    `${"a.".repeat(127)}com:443`,
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseAuthority(text), HostnameError);
    });
  }

  it("tells addresses from names", () => {
    assert.equal(parseAuthority("127.1:443").isAddress, true);
    assert.equal(parseAuthority("[::1]:443").isAddress, true);
    assert.equal(parseAuthority("1.2.3.4.example:443").isAddress, false);
  });

  it("uses the default port where there is none", () => {
    assert.equal(parseAuthority("example.com", 80).port, 80);
    assert.equal(parseAuthority("[::1]", 80).port, 80);
  });
});

describe("parseHostPattern", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["api.openai.com", "api.openai.com"],
    ["API.OpenAI.com.", "api.openai.com"],
    ["api.openai.com:443", "api.openai.com"],
    ["api.openai.com:8443", "api.openai.com:8443"],
    ["*.example.com", "*.example.com"],
    ["*.EXAMPLE.com.:8443", "*.example.com:8443"],
    ["*.b.example.co.uk", "*.b.example.co.uk"],
    ["intranet", "intranet"],
    ["127.0.0.1:8080", "127.0.0.1:8080"],
    ["::1", "[::1]"],
    ["[::1]:8443", "[::1]:8443"],
  ];
  for (const [text, canonical] of cases) {
    it(`reads ${text} as ${canonical}`, () => {
      assert.equal(formatHostPattern(parseHostPattern(text)), canonical);
    });
  }

  const refused: readonly (readonly [string, RegExp])[] = [
    ["", /empty/],
    ["https://api.openai.com", /scheme/],
    ["api.openai.com/v1", /path/],
    ["api.openai.com?x=1", /query/],
    ["api.openai.com#x", /fragment/],
    ["me@api.openai.com", /user name/],
    ["api openai.com", /blank/],
    [" api.openai.com", /blank/],
    ["*", /star/],
    ["*.", /empty/],
    ["**.example.com", /star/],
    ["api.*.com", /star/],
    ["*api.example.com", /star/],
    ["*.*.example.com", /star/],
    ["*.com", /public suffix/],
    ["*.co.uk", /public suffix/],
    ["*.github.io", /public suffix/],
    ["*.COM.", /public suffix/],
    ["*.intranet", /public suffix/],
    ["*.127.0.0.1", /IP address/],
    ["*.[::1]", /IP address/],
    ["*.1", /IP address/],
    ["a..b", /empty label/],
    [".example.com", /empty label/],
    ["api.openai.com:http", /port/],
  ];
  for (const [text, reason] of refused) {
    it(`refuses ${JSON.stringify(text)}, saying ${reason.source} (contract 34)`, () => {
      assert.throws(
        () => parseHostPattern(text),
        (error) => error instanceof HostnameError && reason.test(error.message),
      );
    });
  }
});

describe("indexHosts", () => {
  const look = (...patterns: string[]) => {
    const find = indexHosts(patterns.map((pattern) => [parseHostPattern(pattern), pattern] as const));
    return (authority: string) => find(parseAuthority(authority, 443));
  };

  it("finds a host by its exact name and port only (contract 5)", () => {
    const find = look("api.openai.com", "internal.example:8443");
    assert.equal(find("api.openai.com"), "api.openai.com");
    assert.equal(find("API.OPENAI.COM."), "api.openai.com");
    assert.equal(find("api.openai.com:8443"), undefined);
    assert.equal(find("internal.example:8443"), "internal.example:8443");
    assert.equal(find("internal.example"), undefined);
    assert.equal(find("api.openai.com.evil.com"), undefined);
    assert.equal(find("evil-api.openai.com"), undefined);
  });

  it("lets a wildcard cover every name below it and not the name itself (contract 6)", () => {
    const find = look("*.example.com");
    assert.equal(find("a.example.com"), "*.example.com");
    assert.equal(find("a.b.c.example.com"), "*.example.com");
    assert.equal(find("example.com"), undefined);
    assert.equal(find("notexample.com"), undefined);
  });

  it("takes the exact name before a wildcard and the longer wildcard before the shorter (contract 6)", () => {
    const find = look("*.example.com", "*.b.example.com", "a.b.example.com");
    assert.equal(find("a.b.example.com"), "a.b.example.com");
    assert.equal(find("c.b.example.com"), "*.b.example.com");
    assert.equal(find("c.example.com"), "*.example.com");
    assert.equal(find("b.example.com"), "*.example.com");
  });

  it("matches an address exactly and in any spelling (contract 6)", () => {
    const find = look("127.0.0.1", "*.example.com");
    assert.equal(find("127.1"), "127.0.0.1");
    assert.equal(find("127.0.0.2"), undefined);
  });
});
