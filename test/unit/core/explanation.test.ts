import assert from "node:assert/strict";
import { explain } from "../../../src/core/explanation.ts";
import { parseAuthority } from "../../../src/core/hostname.ts";
import { mappingsOf, storedSecretsOf } from "../../support/gatewayFixture.ts";

const reference = "op://Vault/Item/field";

interface Given {
  readonly stored?: readonly string[];
  readonly mapped?: readonly string[];
}

/** Entries as `host/path`, with `!` in front where they are disabled. */
function outcomes(host: string, path: string, { stored = [], mapped = [] }: Given) {
  const input = (text: string) => {
    const [, off, hostname = "", prefix] = /^(!?)([^/]*)(\/.*)?$/.exec(text) ?? [];
    return { hostname, ...(prefix !== undefined && { path: prefix }), enabled: off === "" };
  };
  const { candidates, ...rest } = explain(
    parseAuthority(host, 443),
    path,
    storedSecretsOf(stored.map((text) => ({ ...input(text), name: text, value: "x" }))),
    mappingsOf(mapped.map((text) => ({ ...input(text), reference }))),
  );
  return {
    ...rest,
    candidates: candidates.map(({ source, id, outcome }) => `${source} ${id}: ${outcome}`),
  };
}

describe("explain", () => {
  it("names no candidate for a host that nothing is for", () => {
    const found = outcomes("c.example", "/", { mapped: ["a.example", "*.d.example"] });
    assert.deepEqual([found.result, found.candidates], ["untouched", []]);
    assert.equal(outcomes("a.example:8443", "/", { mapped: ["a.example"] }).result, "untouched");
    assert.equal(outcomes("d.example", "/", { mapped: ["*.d.example"] }).result, "untouched");
  });

  it("names every candidate with its reason, the winner first", () => {
    const found = outcomes("a.b.example", "/v1/models", {
      stored: ["!a.b.example", "a.b.example/v2"],
      mapped: ["*.example.b.example", "*.b.example", "a.b.example", "a.b.example/v1", "a.b.example/v3"],
    });
    assert.equal(found.result, "injected");
    assert.deepEqual(found.candidates, [
      "1password a.b.example/v1/: wins",
      "stored a.b.example: disabled",
      "stored a.b.example/v2/: other-path",
      "1password *.b.example: closer-host-wins",
      "1password a.b.example: longer-path-wins",
      "1password a.b.example/v3/: other-path",
    ]);
  });

  it("says that a stored secret wins over mappings", () => {
    const found = outcomes("a.b.example", "/", { stored: ["*.b.example"], mapped: ["a.b.example"] });
    assert.deepEqual(found.candidates, ["stored *.b.example: wins", "1password a.b.example: stored-wins"]);
  });

  it("tells a request without a secret from one that is not seen, and from one that is refused", () => {
    assert.equal(outcomes("a.example", "/v2", { mapped: ["a.example/v1"] }).result, "bare");
    assert.equal(outcomes("a.example", "/", { mapped: ["!a.example"] }).result, "untouched");
    const ambiguous = outcomes("a.example", "/x/..%2fv1", { mapped: ["a.example", "a.example/v1"] });
    assert.deepEqual(
      [ambiguous.result, ambiguous.candidates],
      ["refused", ["1password a.example: ambiguous-path", "1password a.example/v1/: ambiguous-path"]],
    );
  });

  it("says where the secret is put and what of the client's does not go on", () => {
    const { sets, removes, variant } = outcomes("api.anthropic.com", "/", { mapped: ["api.anthropic.com"] });
    assert.deepEqual([sets, removes], ["header x-api-key", ["header x-api-key", "header authorization"]]);
    assert.deepEqual(variant, { prefix: "sk-ant-oat", sets: "header Authorization" });
    const gemini = outcomes("generativelanguage.googleapis.com", "/", {
      mapped: ["generativelanguage.googleapis.com"],
    });
    assert.equal(gemini.sets, "header x-goog-api-key");
    assert.ok(gemini.removes.includes("query parameter key"));
  });
});
