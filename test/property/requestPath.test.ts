import assert from "node:assert/strict";
import fc from "fast-check";
import { isOneCliError } from "../../src/core/errors.ts";
import { parseAuthority } from "../../src/core/hostname.ts";
import { type Mapping, parseMappings } from "../../src/core/mapping.ts";
import { indexTargets } from "../../src/core/credentialIndex.ts";
import { parsePathPrefix, PathError, readPath } from "../../src/core/requestPath.ts";

const segment = fc.constantFrom("v1", "v2", "admin", "a", "q%2Fr", "V1");
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
const reference = "op://Vault/Item/field";
const authority = parseAuthority("a.example:443");

function mappingsAt(paths: readonly string[]): readonly Mapping[] {
  return parseMappings(paths.map((text) => ({ hostname: "a.example", path: text, reference }))).mappings;
}

/** Ways to write a character or a border so that the path stays the same to every server. */
const spellings: readonly ((text: string) => string)[] = [
  (text) => text,
  // No digit of an encoding: to encode that would be to encode twice.
  (text) =>
    text.replace(/(?<!%[0-9a-f]?)[a-z](?=\w*(\/|$))/i, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (text) => `/${text}//`,
  (text) => text.replaceAll("/", "/./"),
  (text) => text.replace("/", "/x/../"),
  (text) => text.replace("/", "/x/%2e%2E/"),
  (text) => `/..${text}`,
  (text) => `${text}/`,
  (text) => `${text}?a=/../v1`,
];

describe("the mapping of a path, for any list of prefixes", () => {
  it("is the longest one that its segments begin with, however the path is spelled", () => {
    fc.assert(
      fc.property(
        fc.array(path, { maxLength: 6 }),
        path,
        fc.array(fc.constantFrom(...spellings), { maxLength: 3 }),
        (prefixes, asked, respell) => {
          const segments = asked.split("/").filter((text) => text !== "");
          const begins = (prefix: string) =>
            prefix
              .split("/")
              .filter((text) => text !== "")
              .every((text, index) => text === segments[index]);
          const expected = prefixes
            .filter(begins)
            .sort((a, b) => b.length - a.length)
            .map((prefix) => (prefix === "/" ? "a.example" : `a.example${prefix}/`))[0];
          // A query ends what can be spelled.
          const target = respell.reduce((text, spell) => (text.includes("?") ? text : spell(text)), asked);
          const find = indexTargets(mappingsAt(prefixes));
          assert.equal(find(authority, target)?.id, expected, target);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it("is the same to every reader, or refused", () => {
    const odd = fc
      .array(
        fc.constantFrom(
          "/",
          "..",
          ".",
          "%2e",
          "%2f",
          "%5c",
          "\\",
          ";",
          ";x",
          "%25",
          "2e",
          "v1",
          "admin",
          "#",
        ),
        { maxLength: 12 },
      )
      .map((parts) => `/${parts.join("")}`);
    const mappings = mappingsAt(["/v1", "/v1/admin"]);
    const find = indexTargets(mappings);
    fc.assert(
      fc.property(odd, (target) => {
        const readings = Object.values(readPath(target)).map(
          (reading: string) =>
            mappings
              .filter(({ path: prefix }) => reading.startsWith(prefix))
              .sort((a, b) => b.path.length - a.path.length)[0]?.id,
        );
        try {
          const found = find(authority, target)?.id;
          assert.ok(
            readings.every((id) => id === found),
            target,
          );
        } catch (error) {
          assert.ok(isOneCliError(error, "bad-request"), String(error));
          assert.ok(new Set(readings).size > 1, target);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("prefixes, for any text", () => {
  it("are refused, or stay the same when read again, and cover themselves", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webPath(), path), (text) => {
        try {
          const canonical = parsePathPrefix(text);
          assert.equal(parsePathPrefix(canonical), canonical);
          assert.ok(canonical.startsWith("/") && canonical.endsWith("/"));
          assert.equal(readPath(canonical).strict, canonical);
        } catch (error) {
          assert.ok(error instanceof PathError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
