import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatAuthority,
  formatHostPattern,
  HostnameError,
  type HostPattern,
  indexHosts,
  parseAuthority,
  parseHostPattern,
} from "../../src/core/hostname.ts";

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const name = fc
  .array(label, { minLength: 2, maxLength: 5 })
  .map((labels) => labels.join("."))
  .filter((text) => !/(^|\.)(\d+|0x[0-9a-f]*)$/.test(text) && !text.includes("xn--"));
const port = fc.integer({ min: 1, max: 65_535 });

/** The same name as somebody else might write it. */
const respelled = (text: string) =>
  fc
    .tuple(fc.array(fc.constantFrom("same", "upper", "percent"), { minLength: text.length }), fc.boolean())
    .map(([ways, dot]) => {
      const spelled = Array.from(text, (char, index) => {
        switch (ways[index]) {
          case "upper":
            return char.toUpperCase();
          case "percent":
            return `%${char.charCodeAt(0).toString(16)}`;
          default:
            return char;
        }
      });
      return spelled.join("") + (dot ? "." : "");
    });

const parsedOrRefused = <T>(parse: () => T): T | "refused" => {
  try {
    return parse();
  } catch (error) {
    assert.ok(error instanceof HostnameError, String(error));
    return "refused";
  }
};

describe("hostnames, for any input", () => {
  it("come out the same however they are spelled", () => {
    fc.assert(
      fc.property(
        name.chain((text) => fc.tuple(fc.constant(text), respelled(text), port)),
        ([text, spelling, number]) => {
          assert.deepEqual(parseAuthority(`${spelling}:${number}`), parseAuthority(`${text}:${number}`));
        },
      ),
    );
  });

  it("are either refused or stay the same when normalised again", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.webAuthority(), fc.domain()),
        (text) => {
          const authority = parsedOrRefused(() => parseAuthority(text, 443));
          if (authority !== "refused") {
            assert.deepEqual(parseAuthority(formatAuthority(authority), 443), authority);
            assert.match(authority.host, /^([a-z0-9_.-]+|\[[0-9a-f:.]+\])$/);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("are never read as another host than the one a URL parser dials", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.webAuthority({ withPort: true }), fc.domain(), fc.ipV4Extended(), fc.ipV6()),
        (text) => {
          const authority = parsedOrRefused(() => parseAuthority(text, 443));
          if (authority !== "refused") {
            // An IPv6 address may come without its brackets; a URL wants them.
            const url = URL.canParse(`https://${text}`) ? `https://${text}` : `https://[${text}]`;
            assert.equal(authority.host, new URL(url).hostname.replace(/\.$/, ""));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("as patterns are either refused or stay the same when parsed again", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.constantFrom("", "*.", "*", "*.*.", "."), fc.oneof(fc.string(), name, fc.domain())),
        ([prefix, text]) => {
          const pattern = parsedOrRefused(() => parseHostPattern(prefix + text));
          if (pattern !== "refused") {
            assert.deepEqual(parseHostPattern(formatHostPattern(pattern)), pattern);
            assert.equal(pattern.wildcard, prefix === "*.");
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("the look-up of a host, for any list of patterns", () => {
  const few = fc.constantFrom("a", "b", "c");
  const host = fc
    .array(few, { minLength: 1, maxLength: 4 })
    .map((labels) => [...labels, "example", "com"].join("."));
  const pattern = fc
    .tuple(host, fc.boolean(), fc.constantFrom(443, 8443))
    .map(([text, wildcard, number]) => parseHostPattern(`${wildcard ? "*." : ""}${text}:${number}`));

  /** The rule in words: exact, else the longest wildcard above. */
  const expected = (patterns: readonly HostPattern[], asked: string, number: number) =>
    patterns
      .filter((entry) => entry.port === number)
      .filter((entry) => (entry.wildcard ? asked.endsWith(`.${entry.host}`) : asked === entry.host))
      .sort((a, b) => Number(a.wildcard) - Number(b.wildcard) || b.host.length - a.host.length)
      .map(formatHostPattern)[0];

  it("agrees with going through the list", () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 12 }),
        host,
        fc.constantFrom(443, 8443),
        (patterns, asked, number) => {
          const find = indexHosts(patterns.map((entry) => [entry, formatHostPattern(entry)] as const));
          assert.equal(find(parseAuthority(`${asked}:${number}`)), expected(patterns, asked, number));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("never lets an address match a wildcard", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended()), (address) => {
        const find = indexHosts([[{ host: "0.0.1", port: 443, isAddress: false, wildcard: true }, true]]);
        assert.equal(find(parseAuthority(`${address}:443`)), undefined);
      }),
    );
  });
});
