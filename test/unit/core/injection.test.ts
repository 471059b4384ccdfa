import assert from "node:assert/strict";
import { inspect } from "node:util";
import { isOneCliError } from "../../../src/core/errors.ts";
import { endToEndHeaders, fieldValues } from "../../../src/core/headers.ts";
import { inject, type RequestHead } from "../../../src/core/injection.ts";
import { injectionRule, type Rule } from "../../../src/core/serviceRules.ts";
import { SecretValue } from "../../../src/core/secretValue.ts";

const sent = (host: string, head: RequestHead, value: string, rule?: Rule) =>
  inject(head, injectionRule(rule, host, head.path), new SecretValue(value));
const fields = (...headers: string[]): RequestHead => ({ headers, path: "/" });

describe("the default rule", () => {
  it("sets x-api-key for Anthropic and drops the client's Authorization", () => {
    const { headers } = sent(
      "api.anthropic.com",
      fields("Host", "h", "authorization", "Bearer own", "X-API-Key", "placeholder", "Accept", "*/*"),
      "sk-real",
    );
    assert.deepEqual(headers, ["Host", "h", "Accept", "*/*", "x-api-key", "sk-real"]);
  });

  it("sets Authorization: Bearer for every other host and touches nothing else", () => {
    const { headers } = sent(
      "api.openai.com",
      fields("AUTHORIZATION", "Basic x", "X-Api-Key", "kept", "Authorization", "second"),
      "sk-$&-$1",
    );
    assert.deepEqual(headers, ["X-Api-Key", "kept", "Authorization", "Bearer sk-$&-$1"]);
  });

  it("goes by the exact host", () => {
    assert.deepEqual(sent("eu.api.anthropic.com", fields(), "x").headers, ["Authorization", "Bearer x"]);
  });

  it("sends an Anthropic OAuth token as a bearer token, without any x-api-key (contract 46)", () => {
    const head = fields("x-api-key", "placeholder", "Authorization", "Bearer placeholder");
    assert.deepEqual(sent("api.anthropic.com", head, "sk-ant-oat01-real").headers, [
      "Authorization",
      "Bearer sk-ant-oat01-real",
    ]);
  });

  it("tells GitLab's API from its git by the path, however that is spelled", () => {
    const at = (path: string) => sent("gitlab.com", { headers: [], path }, "t").headers[0];
    assert.equal(at("/api/v4/user"), "PRIVATE-TOKEN");
    assert.equal(at("//%61pi/v4/user?x"), "PRIVATE-TOKEN");
    assert.equal(at("/group/project.git/info/refs"), "Authorization");
    assert.equal(at("/apis"), "Authorization");
  });
});

describe("a rule of a mapping (contract 45)", () => {
  it("writes the header that it names", () => {
    const rule = { kind: "header", name: "X-Token", value: "key={value};v=1" } as const;
    assert.deepEqual(
      sent("a.example", fields("x-token", "own", "Authorization", "kept"), "s", rule).headers,
      ["Authorization", "kept", "X-Token", "key=s;v=1"],
    );
  });

  it("writes Basic credentials in UTF-8", () => {
    const rule = { kind: "basic", username: "jürgen" } as const;
    const { headers } = sent("a.example", fields("authorization", "Bearer own"), "clé", rule);
    assert.deepEqual(headers, ["Authorization", `Basic ${Buffer.from("jürgen:clé").toString("base64")}`]);
  });

  it("writes a secret of any length", () => {
    const value = "x".repeat(1_000_000);
    const { headers } = sent("a.example", fields(), value, { kind: "basic", username: "" });
    assert.equal(headers[1], `Basic ${Buffer.from(`:${value}`).toString("base64")}`);
  });

  const query = { kind: "query", name: "key" } as const;
  for (const [path, expected] of [
    ["/", "/?key=a%2Fb%26%20c"],
    ["/x?", "/x?key=a%2Fb%26%20c"],
    ["/x?a=1", "/x?a=1&key=a%2Fb%26%20c"],
    ["/x?key=own&a=%zz&&b", "/x?key=a%2Fb%26%20c&a=%zz&&b"],
    ["/x?a=1&%6bey=own&key&b=?&ke%79=2", "/x?a=1&key=a%2Fb%26%20c&b=?"],
    ["/x?Key=1&key2=2", "/x?Key=1&key2=2&key=a%2Fb%26%20c"],
    ["/x?a=1#key=2?", "/x?a=1&key=a%2Fb%26%20c#key=2?"],
    ["/x#y?key=2", "/x?key=a%2Fb%26%20c#y?key=2"],
  ] as const) {
    it(`writes a parameter into ${path}`, () => {
      const head = { headers: ["Authorization", "kept"], path };
      assert.deepEqual(sent("a.example", head, "a/b& c", query), { ...head, path: expected });
    });
  }

  it("follows a known service, on whichever host", () => {
    const head = { headers: ["Authorization", "Bearer own"], path: "/v1?a=1&key=own" };
    assert.deepEqual(sent("llm.corp.example", head, "s", { kind: "service", id: "gemini" }), {
      headers: ["x-goog-api-key", "s"],
      path: "/v1?a=1",
    });
  });

  it("drops what the known service of the host would take for another credential (contract 46)", () => {
    const head = { headers: ["X-Goog-Api-Key", "own", "Authorization", "own"], path: "/v1?key=own" };
    const rule = { kind: "query", name: "key" } as const;
    assert.deepEqual(sent("generativelanguage.googleapis.com", head, "s", rule), {
      headers: [],
      path: "/v1?key=s",
    });
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
  const rules: readonly (Rule | undefined)[] = [
    undefined,
    { kind: "basic", username: "u" },
    { kind: "query", name: "key" },
  ];
  for (const [value, reason] of cases) {
    it(`is refused without being shown, wherever it is to go: ${JSON.stringify(value)}`, () => {
      for (const rule of rules) {
        assert.throws(
          () => sent("api.openai.com", fields(), value, rule),
          (error) =>
            isOneCliError(error, "value-unusable") &&
            reason.test(error.message) &&
            (value.length < 3 || !error.message.includes(value)),
        );
      }
    });
  }

  it("is not anything else: blanks around it and Latin-1 stay as they are", () => {
    assert.equal(sent("api.openai.com", fields(), " clé ÿ ").headers[1], "Bearer  clé ÿ ");
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
