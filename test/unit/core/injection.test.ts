import assert from "node:assert/strict";
import { inspect } from "node:util";
import { isOneCliError } from "../../../src/core/errors.ts";
import { endToEndHeaders, fieldValues } from "../../../src/core/headers.ts";
import { inject } from "../../../src/core/injection.ts";
import { defaultRule } from "../../../src/core/services.ts";
import { SecretValue } from "../../../src/core/secretValue.ts";

describe("the default rule", () => {
  it("sets x-api-key for Anthropic and drops the client's Authorization", () => {
    const headers = inject(
      [
        "Host",
        "api.anthropic.com",
        "authorization",
        "Bearer own",
        "X-API-Key",
        "placeholder",
        "Accept",
        "*/*",
      ],
      defaultRule("api.anthropic.com"),
      new SecretValue("sk-real"),
    );
    assert.deepEqual(headers, ["Host", "api.anthropic.com", "Accept", "*/*", "x-api-key", "sk-real"]);
  });

  it("sets Authorization: Bearer for every other host and touches nothing else", () => {
    const headers = inject(
      ["AUTHORIZATION", "Basic x", "X-Api-Key", "kept", "Authorization", "second"],
      defaultRule("api.openai.com"),
      new SecretValue("sk-$&-$1"),
    );
    assert.deepEqual(headers, ["X-Api-Key", "kept", "Authorization", "Bearer sk-$&-$1"]);
  });

  it("goes by the exact host", () => {
    assert.equal(defaultRule("eu.api.anthropic.com").header, "Authorization");
  });
});

describe("a value that is no legal header value (contract 15)", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /is empty/],
    ["a\rb", /line break/],
    ["a\nb", /line break/],
    ["key\n", /line break/],
    ["a\u0000b", /NUL/],
    ["a\tb", /control character/],
    ["a\u007fb", /control character/],
    ["a\u0085b", /control character/],
    ["key-🔑", /outside Latin-1/],
    ["kłucz", /outside Latin-1/],
  ];
  for (const [value, reason] of cases) {
    it(`is refused without being shown: ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => inject([], defaultRule("api.openai.com"), new SecretValue(value)),
        (error) =>
          isOneCliError(error, "value-unusable") &&
          reason.test(error.message) &&
          (value.length < 3 || !error.message.includes(value)),
      );
    });
  }

  it("is not anything else: blanks around it and Latin-1 stay as they are", () => {
    const [, value] = inject([], defaultRule("api.openai.com"), new SecretValue(" clé ÿ "));
    assert.equal(value, "Bearer  clé ÿ ");
  });
});

describe("end-to-end header fields (contract 10)", () => {
  it("keep case, order and repetition", () => {
    const headers = ["B", "1", "a", "2", "B", "3", "X-Long", "4"];
    assert.deepEqual(endToEndHeaders(headers), headers);
  });

  it("leave out hop-by-hop fields, those that Connection names, and Proxy-*", () => {
    const kept = endToEndHeaders([
      "Connection",
      "close, X-Mine , host, content-length",
      "Keep-Alive",
      "timeout=5",
      "x-mine",
      "1",
      "X-MINE",
      "2",
      "TE",
      "gzip",
      "Trailer",
      "x",
      "Transfer-Encoding",
      "chunked",
      "Upgrade",
      "h2c",
      "Proxy-Authorization",
      "Basic x",
      "Proxy-Connection",
      "keep-alive",
      "Proxy-Anything",
      "x",
      "connection",
      "another",
      "Another",
      "x",
      "Host",
      "h",
      "Content-Length",
      "3",
      "Accept",
      "*/*",
    ]);
    assert.deepEqual(kept, ["Trailer", "x", "Host", "h", "Content-Length", "3", "Accept", "*/*"]);
  });

  it("keep of TE the readiness for trailers alone (contract 13)", () => {
    for (const value of ["trailers", "gzip, Trailers", "trailers;q=0.5, deflate"]) {
      assert.deepEqual(endToEndHeaders(["Connection", "TE", "TE", value]), ["TE", "trailers"]);
    }
    for (const value of ["gzip", "x-trailers", ""]) {
      assert.deepEqual(endToEndHeaders(["Connection", "TE", "TE", value]), []);
    }
  });

  it("are found by name whatever their case", () => {
    assert.deepEqual(fieldValues(["Host", "a", "hOsT", "b", "Hosts", "c"], "host"), ["a", "b"]);
  });
});

describe("SecretValue", () => {
  const secret = new SecretValue("s3cr3t-value");

  it("prints as a placeholder, whichever way it is printed", () => {
    const prints = [
      String(secret),
      secret.toString(),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ nested: [secret] }, { depth: 9, showHidden: true }),
      Object.keys(secret).join(),
    ];
    for (const print of prints) {
      assert.ok(!print.includes("s3cr3t"), print);
    }
  });

  it("does not survive being sent in a message", () => {
    assert.ok(!JSON.stringify(structuredClone({ secret })).includes("s3cr3t"));
  });

  it("is revealed where it is asked to be", () => {
    assert.equal(secret.reveal(), "s3cr3t-value");
  });
});
