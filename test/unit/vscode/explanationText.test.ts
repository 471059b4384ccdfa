import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type ExplainResult } from "../../../src/shared/gatewayProtocol.ts";
import { explanationText } from "../../../src/vscode/explanationText.ts";
import { inEnglish, type Phrase } from "../../../src/vscode/phrase.ts";

const stored = { source: "stored", id: "a.example", label: "Team key", outcome: "wins" } as const;
const mapping = { source: "1password", id: "*.example", label: "op://V/I/f", outcome: "wins" } as const;
const injected = {
  host: "a.example",
  path: "/v1/",
  result: "injected" as const,
  sets: "header Authorization",
  removes: ["header authorization", "query parameter key"],
};

function text(explanation: ExplainResult, circumstances = {}) {
  return explanationText(explanation, { isPlain: false, isConnected: true, ...circumstances }, inEnglish);
}

describe("the text of an explanation", () => {
  it("says who wins and why, and what is done to the request, in columns", () => {
    const gives = { ...mapping, outcome: "stored-wins" } as const;
    assert.equal(
      text({ ...injected, candidates: [stored, gives] }),
      `https://a.example/v1/

The request gets the stored secret “Team key”.

What is there for this host, and what becomes of it
  wins       stored secret “Team key”, for a.example
  gives way  op://V/I/f, for *.example
             because a stored secret wins over every mapping

What the gateway does to the request
  Sets     header Authorization
  Removes  header authorization, query parameter key, where the client sent it
  Value    stored here, sealed
`,
    );
  });

  it("says where else a secret goes that begins so", () => {
    const variant = { prefix: "sk-ant-oat", sets: "header Authorization" };
    assert.match(
      text({ ...injected, sets: "header x-api-key", variant, candidates: [stored] }),
      /Sets +header x-api-key\n +or header Authorization, for a value that begins with sk-ant-oat\n/,
    );
  });

  it("says how old a cached value is, and that there is none", () => {
    const explanation = { ...injected, candidates: [mapping] };
    assert.match(text({ ...explanation, cacheAge: 12_345 }), /Value +read from 1Password 12 seconds ago\n/);
    assert.match(text(explanation), /Value +not in the cache: 1Password is asked at the next request\n/);
    assert.match(text(explanation), /gets the secret behind op:\/\/V\/I\/f in 1Password\.\n/);
  });

  it("says that 1Password is not connected where that is who would be asked", () => {
    const isConnected = false;
    assert.match(text({ ...injected, candidates: [mapping] }, { isConnected }), /refused \(not-connected\)/);
    assert.doesNotMatch(text({ ...injected, candidates: [stored] }, { isConnected }), /refused/);
  });

  for (const [result, outcome, words] of [
    ["untouched", undefined, "No mapping and no stored secret is for this host: it passes untouched"],
    ["untouched", "disabled", "Nothing that is enabled is for this host: it passes untouched"],
    ["bare", "other-path", "goes on without a secret"],
    ["refused", "ambiguous-path", "refused (bad-request)"],
  ] as const) {
    it(`of what is ${result}${outcome === undefined ? "" : ` (${outcome})`} says: ${words}`, () => {
      const candidates = outcome === undefined ? [] : [{ ...mapping, outcome }];
      const explained = text({ host: "a.example", path: "/", result, removes: [], candidates });
      assert.ok(explained.includes(words), explained);
      assert.ok(!explained.includes("Sets"));
      assert.equal(explained.includes("op://V/I/f"), outcome !== undefined);
    });
  }

  it("of the gateway's own name says who answers", () => {
    const explained = { path: "/", result: "untouched" as const, removes: [], candidates: [] };
    assert.match(text({ ...explained, host: "onecli.internal" }), /The gateway itself answers/);
    assert.match(text({ ...explained, host: "x.onecli.internal:8443" }), /The gateway itself answers/);
  });

  it("of plain http says that it carries no secret", () => {
    const isPlain = true;
    const refused = text({ ...injected, candidates: [stored] }, { isPlain });
    assert.match(refused, /^http:\/\/a\.example\/v1\/\n\nThe request is refused \(insecure-request\)/);
    assert.doesNotMatch(refused, /Sets/);
    const untouched = {
      host: "b.example",
      path: "/",
      result: "untouched" as const,
      removes: [],
      candidates: [],
    };
    assert.match(text(untouched, { isPlain }), /passes without a secret/);
  });

  it("is whole in another language, in columns as wide as its words", async () => {
    const file = new URL("../../../l10n/bundle.l10n.de.json", import.meta.url);
    const bundle = JSON.parse(await readFile(file, "utf8")) as Record<string, string>;
    const inGerman = ({ text: key, args }: Phrase): string =>
      inEnglish({
        text: bundle[key] ?? `not translated: ${key}`,
        args: args.map((arg) => (typeof arg === "object" ? inGerman(arg) : arg)),
      });
    const gives = { ...mapping, outcome: "stored-wins" } as const;
    const circumstances = { isPlain: false, isConnected: true };
    assert.equal(
      explanationText({ ...injected, candidates: [stored, gives] }, circumstances, inGerman),
      `https://a.example/v1/

Die Anfrage bekommt das gespeicherte Geheimnis „Team key“.

Was es für diesen Host gibt, und was daraus wird
  gewinnt       gespeichertes Geheimnis „Team key“, für a.example
  tritt zurück  op://V/I/f, für *.example
                denn ein gespeichertes Geheimnis gewinnt gegen jede Zuordnung

Was das Gateway mit der Anfrage tut
  Setzt     Header Authorization
  Entfernt  Header authorization, Query-Parameter key, wo der Client es gesendet hat
  Wert      hier gespeichert, versiegelt
`,
    );
  });
});
