import assert from "node:assert/strict";
import { Secrets } from "@1password/sdk";
import fc from "fast-check";
import { isOneCliError } from "../../src/core/errors.ts";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import { classifyOnePasswordError } from "../../src/secrets/onePasswordErrors.ts";

function isAcceptedHere(text: string): boolean {
  try {
    parseSecretReference(text);
    return true;
  } catch (error) {
    assert.ok(isOneCliError(error, "reference-invalid"));
    return false;
  }
}

/** The SDK's verdict; what it throws is a string and must be known to the error table. */
function isAcceptedBySdk(text: string): boolean {
  try {
    Secrets.validateSecretReference(text);
    return true;
  } catch (error) {
    assert.equal(typeof error, "string");
    const classified = classifyOnePasswordError(error);
    assert.equal(classified.code, "reference-invalid", String(error));
    return false;
  }
}

describe("Secret references here and in the SDK", () => {
  for (const text of [
    "op://vault/item/field",
    "op://API Keys/Anthropic key/section 1/the field",
    "op://a_b/c.d/e-f",
    "op://abcdefghijklmnopqrstuvwxya/abcdefghijklmnopqrstuvwxya/password",
    "op://vault/item/code?attribute=otp",
    "op://vault/item/section/code?attribute=totp",
  ]) {
    it(`both accept ${text}`, () => {
      assert.ok(isAcceptedHere(text));
      assert.ok(isAcceptedBySdk(text));
    });
  }

  for (const text of [
    "",
    "vault/item/field",
    "https://vault/item/field",
    "op:/vault/item/field",
    "op://vault/item",
    "op://a/b/c/d/e",
    "op://vault/item (old)/field",
    "op://vault/$item/field",
    "op://vault/my%20item/field",
    "op://vault/café/field",
    "op://vault/item/field?attr=otp",
    "op://vault/item/field?attribute=type",
    "op://vault/item/field?attribute=value",
    "op://vault/item/field?attribute=",
  ]) {
    it(`both refuse ${JSON.stringify(text)}`, () => {
      assert.ok(!isAcceptedHere(text));
      assert.ok(!isAcceptedBySdk(text));
    });
  }

  it("a part that is empty is refused here, before the SDK looks for something without a name", () => {
    for (const text of ["op://vault//field", "op:///item/field", "op://vault/item/", "op://vault/ /field"]) {
      assert.ok(!isAcceptedHere(text));
    }
  });

  it("what is accepted here is accepted by the SDK", () => {
    const piece = fc.constantFrom(
      "a",
      "Z",
      "7",
      " ",
      ".",
      "-",
      "_",
      "/",
      "//",
      "?",
      "=",
      "&",
      "é",
      "%20",
      "attribute=otp",
    );
    const tail = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    const name = fc.stringMatching(/^[A-Za-z0-9_.\- ]{1,6}$/);
    const wellFormed = fc
      .tuple(
        fc.array(name, { minLength: 3, maxLength: 4 }),
        fc.constantFrom("", "?attribute=otp", "?attribute=totp"),
      )
      .map(([parts, query]) => `op://${parts.join("/")}${query}`);
    fc.assert(
      fc.property(
        fc.oneof(
          wellFormed,
          tail.map((text) => `op://${text}`),
        ),
        (text) => {
          assert.ok(!isAcceptedHere(text) || isAcceptedBySdk(text), text);
        },
      ),
      { numRuns: 500 },
    );
  });
});
