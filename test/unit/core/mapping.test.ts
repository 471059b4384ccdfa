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
