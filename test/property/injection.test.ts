import assert from "node:assert/strict";
import fc from "fast-check";
import { isOneCliError } from "../../src/core/errors.ts";
import { endToEndHeaders, fieldValues } from "../../src/core/headers.ts";
import { inject } from "../../src/core/injection.ts";
import { defaultRule } from "../../src/core/services.ts";
import { SecretValue } from "../../src/core/secretValue.ts";

const fieldName = fc.oneof(
  fc.constantFrom("Authorization", "authorization", "X-Api-Key", "x-api-key", "Accept", "Host", "Connection"),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
);
const fieldValue = fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,20}$/);
const headers = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 20 }).map((fields) => fields.flat());
const host = fc.constantFrom("api.anthropic.com", "api.openai.com", "anything.example");
const pairs = (list: readonly string[]) =>
  Array.from({ length: list.length / 2 }, (_, index) => [list[2 * index]!, list[2 * index + 1]!] as const);

describe("injection, for any head and value", () => {
  it("sends the value exactly once, in the rule's field, and leaves all other fields as they were", () => {
    fc.assert(
      fc.property(headers, host, fc.stringMatching(/^[\x20-\x7e\xa0-\xff]{1,30}$/), (list, name, text) => {
        const rule = defaultRule(name);
        const result = inject(list, rule, new SecretValue(text));
        assert.deepEqual(fieldValues(result, rule.header.toLowerCase()), [
          rule.template.replace("{value}", () => text),
        ]);
        const dropped = new Set([rule.header.toLowerCase(), ...(rule.drops ?? [])]);
        const untouched = ([field]: readonly [string, string]) => !dropped.has(field.toLowerCase());
        assert.deepEqual(pairs(result).filter(untouched), pairs(list).filter(untouched));
      }),
    );
  });

  it("never writes what a header line cannot carry", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          const [, value] = inject([], defaultRule("api.openai.com"), new SecretValue(text));
          assert.match(value ?? "", /^Bearer [\x20-\x7e\xa0-\xff]+$/);
        } catch (error) {
          assert.ok(isOneCliError(error, "value-unusable"));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("comes after hop-by-hop fields are gone: a client cannot name the secret's field away", () => {
    fc.assert(
      fc.property(headers, host, (list, name) => {
        const rule = defaultRule(name);
        const named = [...list, "Connection", `${rule.header}, x-api-key, authorization`];
        const result = inject(endToEndHeaders(named), rule, new SecretValue("secret"));
        assert.equal(fieldValues(result, rule.header.toLowerCase()).length, 1);
        assert.deepEqual(fieldValues(result, "connection"), []);
      }),
    );
  });
});
