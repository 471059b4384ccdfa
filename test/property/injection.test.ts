import assert from "node:assert/strict";
import fc from "fast-check";
import { isOneCliError } from "../../src/core/errors.ts";
import { endToEndHeaders, fieldValues } from "../../src/core/headers.ts";
import { inject } from "../../src/core/injection.ts";
import { injectionRule } from "../../src/core/serviceRules.ts";
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
        const rule = injectionRule(undefined, name, "/");
        const result = inject({ headers: list, path: "/" }, rule, new SecretValue(text)).headers;
        const { placement, credentials = [] } = rule;
        assert.ok(placement.kind === "header");
        const field = placement.name.toLowerCase();
        assert.deepEqual(fieldValues(result, field), [placement.value.replace("{value}", () => text)]);
        const dropped = new Set([field, ...credentials]);
        const untouched = ([field]: readonly [string, string]) => !dropped.has(field.toLowerCase());
        assert.deepEqual(pairs(result).filter(untouched), pairs(list).filter(untouched));
      }),
    );
  });

  it("never writes what a header line cannot carry", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          const rule = injectionRule(undefined, "api.openai.com", "/");
          const [, value] = inject({ headers: [], path: "/" }, rule, new SecretValue(text)).headers;
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
        const rule = injectionRule(undefined, name, "/");
        const named = [...list, "Connection", "x-api-key, authorization"];
        const head = { headers: endToEndHeaders(named), path: "/" };
        const result = inject(head, rule, new SecretValue("secret")).headers;
        assert.ok(rule.placement.kind === "header");
        assert.equal(fieldValues(result, rule.placement.name.toLowerCase()).length, 1);
        assert.deepEqual(fieldValues(result, "connection"), []);
      }),
    );
  });
});

describe("a secret in the query, for any target", () => {
  const part = fc.oneof(
    fc.constantFrom("key=own", "%6bey", "key", "a=1", "", "=", "ke%79=2"),
    fc.stringMatching(/^[!-"$%'-;<=>?-~]{0,12}$/),
  );
  const target = fc
    .tuple(fc.stringMatching(/^\/[!-"$-;<=>@-~]{0,12}$/), fc.option(fc.array(part, { maxLength: 6 })))
    .map(([path, parts]) => (parts === null ? path : `${path}?${parts.join("&")}`));
  const isKey = (text: string) => new URLSearchParams(text).has("key");

  it("is there once, decodes to the value, and leaves the rest as it was", () => {
    fc.assert(
      fc.property(target, fc.stringMatching(/^[\x20-\x7e\xa0-\xff]{1,30}$/), (path, value) => {
        const rule = injectionRule({ kind: "query", name: "key" }, "a.example", path);
        const result = inject({ headers: [], path }, rule, new SecretValue(value)).path;
        const split = (text: string) => text.slice(`${text}?`.indexOf("?") + 1).split("&");
        const parts = split(path)[0] === "" && split(path).length === 1 ? [] : split(path);
        const after = split(result);
        assert.equal(result.split("?", 1)[0], path.split("?", 1)[0]);
        assert.deepEqual(
          after.filter((text) => !isKey(text)),
          parts.filter((text) => !isKey(text)),
        );
        const own = after.filter(isKey);
        assert.equal(own.length, 1);
        assert.equal(new URLSearchParams(own[0]).get("key"), value);
        const first = parts.findIndex(isKey);
        assert.equal(after.findIndex(isKey), first === -1 ? after.length - 1 : first);
      }),
      { numRuns: 2_000 },
    );
  });
});
