import assert from "node:assert/strict";
import { findOverride } from "../../../src/core/override.ts";
import { mappingsOf, storedSecretsOf } from "../../support/gatewayFixture.ts";

function target(text: string) {
  const [, hostname = "", path = "/"] = /^([^/]*)(\/.*)?$/.exec(text) ?? [];
  return { hostname, path };
}

/** Whether `stored` takes all of a mapping, some of it, or nothing. */
function taken(mapped: string, ...stored: readonly string[]) {
  const [mapping] = mappingsOf([{ ...target(mapped), reference: "op://Vault/Item/field" }]);
  const found = findOverride(
    mapping!,
    storedSecretsOf(stored.map((text) => ({ name: text, value: "x", ...target(text) }))),
  );
  return found && `${found.all ? "all" : "some"} by ${found.by.name}`;
}

describe("a mapping", () => {
  for (const [mapped, stored, what] of [
    ["a.example", "a.example", "all"],
    ["a.b.example", "*.b.example", "all"],
    ["*.a.b.example", "*.b.example", "all"],
    ["*.b.example", "*.b.example", "all"],
    ["a.example/v1", "a.example", "all"],
    ["a.example/v1", "a.example/v1", "all"],
    ["a.example", "a.example/v1", "some"],
    ["*.b.example", "a.b.example", "some"],
    ["*.b.example", "*.a.b.example", "some"],
    ["*.b.example/v1", "a.b.example", "some"],
    ["a.example", "b.example", undefined],
    ["b.example", "*.b.example", undefined],
    ["a.example", "a.example:8443", undefined],
    ["*.b.example", "*.b.example:8443", undefined],
    ["a.example/v1", "a.example/v2", undefined],
    ["*.ab.example", "*.b.example", undefined],
  ] as const) {
    it(`for ${mapped} loses ${what ?? "nothing"} to a stored secret for ${stored}`, () => {
      assert.equal(taken(mapped, stored), what && `${what} by ${stored}`);
    });
  }

  it("names the one that takes all before one that takes some, and none that is disabled", () => {
    assert.equal(taken("a.example", "a.example/v1", "a.example"), "all by a.example");
    const disabled = storedSecretsOf([{ name: "x", value: "x", hostname: "a.example", enabled: false }]);
    const [mapping] = mappingsOf([{ hostname: "a.example", reference: "op://Vault/Item/field" }]);
    assert.equal(findOverride(mapping!, disabled), undefined);
  });
});
