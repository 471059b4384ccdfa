import assert from "node:assert/strict";
import fc from "fast-check";
import { isOneCliError } from "../../src/core/errors.ts";
import {
  formatSecretReference,
  parseSecretReference,
  type SecretReference,
} from "../../src/core/secretReference.ts";

const part = fc.stringMatching(/^[A-Za-z0-9_.-][A-Za-z0-9_.\- ]{0,20}$/);
const reference: fc.Arbitrary<SecretReference> = fc.record(
  { vault: part, item: part, section: part, field: part, attribute: fc.constantFrom("otp", "totp") },
  { requiredKeys: ["vault", "item", "field"], noNullPrototype: true },
);

describe("secret references, for any input", () => {
  it("are read back from their text as they were", () => {
    fc.assert(
      fc.property(reference, (value) => {
        assert.deepEqual(parseSecretReference(formatSecretReference(value)), value);
      }),
    );
  });

  it("are either refused with reference-invalid or read without loss", () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.oneof(part, fc.string({ maxLength: 3 }), fc.constant("")), { maxLength: 6 })
        .map((parts) => `op://${parts.join("/")}`),
      fc.tuple(reference, fc.string()).map(([value, query]) => `${formatSecretReference(value)}?${query}`),
    );
    fc.assert(
      fc.property(text, (given) => {
        let parsed: SecretReference;
        try {
          parsed = parseSecretReference(given);
        } catch (error) {
          assert.ok(isOneCliError(error, "reference-invalid"));
          return;
        }
        assert.equal(formatSecretReference(parsed), given);
      }),
      { numRuns: 2_000 },
    );
  });
});
