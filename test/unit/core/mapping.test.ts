import assert from "node:assert/strict";
import { parseMappings } from "../../../src/core/mapping.ts";

const reference = "op://Vault/Item/field";

describe("parseMappings", () => {
  it("reads entries into canonical hosts and parsed references", () => {
    const { mappings, problems } = parseMappings([
      { hostname: "API.OpenAI.com.", reference: "op://API Keys/OpenAI/section/api-key" },
      { hostname: "*.example.com:8443", reference, enabled: false },
    ]);
    assert.deepEqual(problems, []);
    assert.equal(mappings[0]?.hostname, "api.openai.com");
    assert.equal(mappings[0].enabled, true);
    assert.deepEqual(mappings[0].reference, {
      vault: "API Keys",
      item: "OpenAI",
      section: "section",
      field: "api-key",
    });
    assert.equal(mappings[1]?.hostname, "*.example.com:8443");
    assert.equal(mappings[1].enabled, false);
  });

  const broken: readonly (readonly [string, unknown, RegExp])[] = [
    ["no object", "api.openai.com", /expected object/],
    ["null", null, /expected object/],
    ["a missing reference", { hostname: "api.openai.com" }, /^reference: /],
    ["a number for a host", { hostname: 1, reference }, /^hostname: /],
    ["an unknown key", { hostname: "a.example", reference, refrence: "x" }, /unknown key "refrence"/],
    ["a host with a path", { hostname: "a.example/v1", reference }, /^hostname: "a.example\/v1" has a path/],
    ["a host that is too wide", { hostname: "*.com", reference }, /^hostname: "\*.com" is a wildcard/],
    ["a reference that is none", { hostname: "a.example", reference: "secret" }, /^reference: .*op:\/\//],
  ];
  for (const [what, entry, message] of broken) {
    it(`reports ${what} and reads the rest`, () => {
      const { mappings, problems } = parseMappings([entry, { hostname: "b.example", reference }]);
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.index, 0);
      assert.match(problems[0].message, message);
      assert.deepEqual(
        mappings.map(({ hostname }) => hostname),
        ["b.example"],
      );
    });
  }

  it("finds a host that is mapped twice, whatever its spelling (contract 21)", () => {
    const { mappings, problems } = parseMappings([
      { hostname: "api.openai.com", reference },
      { hostname: "API.OpenAI.com.:443", reference },
    ]);
    assert.equal(mappings.length, 1);
    assert.match(problems[0]?.message ?? "", /"api.openai.com" is mapped twice/);
  });

  it("takes the same host on another port as another mapping", () => {
    const { problems } = parseMappings([
      { hostname: "api.openai.com", reference },
      { hostname: "api.openai.com:8443", reference },
    ]);
    assert.deepEqual(problems, []);
  });
});

describe("the path of a mapping (contract 45)", () => {
  it("makes it another one of its host, by its canonical form", () => {
    const entries = ["/v1", "/v1/admin/", undefined, "/%76%32"].map((path) => ({
      hostname: "A.example",
      ...(path !== undefined && { path }),
      reference,
    }));
    const { mappings, problems } = parseMappings(entries);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      mappings.map(({ id }) => id),
      ["a.example/v1/", "a.example/v1/admin/", "a.example", "a.example/v2/"],
    );
  });

  for (const [first, second, named] of [
    ["/v1", "/%76%31/", /^path: "a.example\/v1\/" is mapped twice$/],
    ["//v1", "/v1/", /^path: "a.example\/v1\/" is mapped twice$/],
    ["/", undefined, /^hostname: "a.example" is mapped twice$/],
  ] as const) {
    it(`${first} and ${second ?? "none"} are the same`, () => {
      const { problems } = parseMappings([
        { hostname: "a.example", path: first, reference },
        { hostname: "a.example", ...(second !== undefined && { path: second }), reference },
      ]);
      assert.match(problems[0]?.message ?? "", named);
    });
  }

  it("is refused by name where it is none", () => {
    const { problems } = parseMappings([{ hostname: "a.example", path: "/v1?x", reference }]);
    assert.equal(problems[0]?.message, 'path: "/v1?x" has a query');
  });
});

describe("the rule of a mapping (contract 45)", () => {
  for (const rule of [
    { kind: "header", name: "x-goog-api-key", value: "{value}" },
    { kind: "basic", username: "x-access-token" },
    { kind: "basic", username: "" },
    { kind: "basic", username: "jürgen@example.com" },
    { kind: "query", name: "key" },
    { kind: "service", id: "gemini" },
  ]) {
    it(`may be ${JSON.stringify(rule)}`, () => {
      const { mappings, problems } = parseMappings([{ hostname: "a.example", reference, rule }]);
      assert.deepEqual(problems, []);
      assert.deepEqual(mappings[0]?.rule, rule);
    });
  }

  for (const [rule, message] of [
    [{}, /^rule\.kind: is none of header, basic, query, service/],
    [{ kind: "cookie", name: "x" }, /^rule\.kind: is none of/],
    ["bearer", /^rule: /],
    [{ kind: "header", name: "x" }, /^rule\.value: /],
    [{ kind: "header", name: "x y", value: "{value}" }, /^rule\.name: is no header field name/],
    [{ kind: "header", name: "Host", value: "{value}" }, /^rule\.name: .*frames/],
    [{ kind: "header", name: "x", value: "key" }, /^rule\.value: must hold \{value\}/],
    [{ kind: "basic" }, /^rule\.username: /],
    [{ kind: "basic", username: "a:b" }, /^rule\.username: has a colon/],
    [{ kind: "basic", username: "a\nb" }, /^rule\.username: has a control character/],
    [{ kind: "basic", username: "a", password: "x" }, /^rule: unknown key "password"/],
    [{ kind: "query", name: "" }, /^rule\.name: is empty/],
    [{ kind: "query", name: "a b" }, /^rule\.name: .*printable/],
    [{ kind: "service", id: "gemni" }, /^rule\.id: "gemni" is none of anthropic, .*gemini/],
    [{ kind: "service", id: "atlassian" }, /^rule\.id: "atlassian" needs .*"username".*e-mail/],
  ] as const) {
    it(`is refused by name: ${JSON.stringify(rule)}`, () => {
      const { problems } = parseMappings([{ hostname: "a.example", reference, rule }]);
      assert.match(problems[0]?.message ?? "", message);
    });
  }
});
