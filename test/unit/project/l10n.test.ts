// Every text of the extension and its page has a translation, and every translation a text.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeError, errorCodes, isOneCliError } from "../../../src/core/errors.ts";
import { outcomeWords } from "../../../src/core/explanation.ts";
import { parseSecretReference } from "../../../src/core/secretReference.ts";
import { parseServiceAccountToken } from "../../../src/core/serviceAccountToken.ts";
import { knownServices } from "../../../src/core/services.ts";
import { classifyOnePasswordError } from "../../../src/secrets/onePasswordErrors.ts";
import { frames, inEnglish, ofCore, type Phrase } from "../../../src/vscode/phrase.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A text as it stands in the source; one that is put together at run time could not be translated. */
const call = /(?<![\w.])(?:vscode\.l10n\.)?t\(\s*("(?:[^"\\\n]|\\.)*")/g;
const wrongCall = /(?<![\w.])(?:vscode\.l10n\.)?t\(\s*[^"\s)]/g;
/** What is wrong with an input, as the core says it: "has a path". */
const reason = /"((?:has|is|does|starts|begins|leads|must) [^"]+)"/g;
const reasonFiles = ["hostname", "requestPath", "target", "storedSecret", "injection", "parentProxy"];

/** Whole sentences, and those that an error is made of. */
const sentence = /"([A-Z1](?:[^"\\]|\\.)*\.)"/g;
const sentenceFiles = ["secrets/onePasswordErrors", "core/serviceAccountToken", "gateway/relayCheck"];
const errorSentence = /OneCliError\(\s*"[\w-]+",\s*"((?:[^"\\]|\\.)*)"/g;
const errorFiles = [
  "core/errors",
  "secrets/onePassword",
  "secrets/resolver",
  "gateway/gateway",
  "vscode/gatewayThread",
  "vscode/session",
];
/** What is wrong with a secret reference. */
const referenceFault = /invalid\(\s*"([^"]+)"/g;

async function matchesIn(names: readonly string[], pattern: RegExp): Promise<string[]> {
  const sources = await Promise.all(names.map((name) => readFile(join(root, `src/${name}.ts`), "utf8")));
  return sources.flatMap((source) => [...source.matchAll(pattern)].map(([, text = ""]) => text));
}

/** Texts of the core and of the gateway, which agents and logs get in English. */
async function coreTexts(): Promise<string[]> {
  const sources = await Promise.all(
    reasonFiles.map((name) => readFile(join(root, `src/core/${name}.ts`), "utf8")),
  );
  return [
    ...frames,
    ...["vault", "item", "section", "field", "file"],
    ...(await matchesIn(sentenceFiles, sentence)),
    ...(await matchesIn(errorFiles, errorSentence)),
    ...(await matchesIn(["core/secretReference"], referenceFault)),
    ...errorCodes.map((code) => describeError(code).hint),
    ...Object.values(outcomeWords).flatMap(({ verdict, reason: why }) => [verdict, why ?? verdict]),
    ...knownServices.flatMap(({ username }) => username ?? []),
    // Without the examples in comments.
    ...sources.flatMap((source) =>
      [...source.replace(/^ *(\/\*\*|\*|\/\/).*$/gm, "").matchAll(reason)].map(([, text = ""]) => text),
    ),
  ];
}

/** Those that translate what they are given. */
const isTranslator = (name: string) => name.endsWith("l10n.ts") || name === "phrase.ts";

async function textsOf(folder: string, found: Set<string>, wrong: string[]): Promise<void> {
  const names = await readdir(join(root, folder), { recursive: true });
  for (const name of folder === "src/vscode" ? [...names, "../extension.ts"] : names) {
    if (name.endsWith(".ts") && !isTranslator(name)) {
      const source = await readFile(join(root, folder, name), "utf8");
      for (const [, text = ""] of source.matchAll(call)) {
        found.add(JSON.parse(text) as string);
      }
      for (const [match] of source.matchAll(wrongCall)) {
        wrong.push(`${name}: ${match}`);
      }
    }
  }
}

async function readTexts(path: string): Promise<Readonly<Record<string, string>>> {
  return JSON.parse(await readFile(join(root, path), "utf8")) as Record<string, string>;
}

const placeholders = (text: string) =>
  [...new Set([...text.matchAll(/\{\w+\}/g)].map(([name]) => name))].sort();

describe("the German translation", () => {
  const texts = new Set<string>();
  const wrong: string[] = [];
  let bundle: Readonly<Record<string, string>>;
  before(async () => {
    for (const text of await coreTexts()) {
      texts.add(text);
    }
    await textsOf("src/vscode", texts, wrong);
    await textsOf("webview-ui/src", texts, wrong);
    bundle = await readTexts("l10n/bundle.l10n.de.json");
  });

  it("finds the texts: they stand in the sources as they are", () => {
    assert.ok(texts.size > 150);
    assert.deepEqual(wrong, []);
  });

  it("is complete, and has nothing left over", () => {
    assert.deepEqual(
      [...texts].filter((text) => bundle[text] === undefined),
      [],
      "not translated",
    );
    assert.deepEqual(
      Object.keys(bundle).filter((text) => !texts.has(text)),
      [],
      "left over",
    );
  });

  it("has every error that 1Password, a token and a reference can give whole, and English is as it was", () => {
    const german = ({ text, args }: Phrase): string => {
      const translated = bundle[text] ?? `English: ${text}`;
      const places = args.map((arg) => (typeof arg === "object" ? german(arg) : String(arg)));
      return translated.replace(/\{(\d)\}/g, (_, index: string) => places[Number(index)] ?? "");
    };
    const messageOf = (act: () => unknown) => {
      try {
        return assert.fail(String(act()));
      } catch (error) {
        assert.ok(isOneCliError(error));
        return error.message;
      }
    };
    const references = ["x", "op://a", "op://a//c", "op://a/b/ü", "op://a/b/c?x"];
    const failures = [
      "no vault matched",
      "more than one item matched",
      "error sending request",
      "bad credentials",
    ];
    const messages = [
      ...references.map((text) => messageOf(() => parseSecretReference(text))),
      ...["", "x", "ops_x"].map((text) => messageOf(() => parseServiceAccountToken(text))),
      ...failures.map((text) => classifyOnePasswordError(new Error(text)).message),
    ];
    for (const message of messages) {
      assert.equal(inEnglish(ofCore(message)), message);
      assert.doesNotMatch(german(ofCore(message)), /English|\{\d\}/);
    }
    assert.equal(
      german(ofCore(messages[1]!)),
      "Die Geheimnis-Referenz ist nicht gültig: Zahl der Teile: 1; gebraucht werden Tresor, Eintrag, wenn nötig ein Abschnitt, und Feld.",
    );
    assert.equal(
      german(ofCore(classifyOnePasswordError("more than one field matched").message)),
      "Feld: mehr als ein Treffer; statt des Namens die ID nehmen.",
    );
  });

  it("addresses nobody", async () => {
    const all = { ...bundle, ...(await readTexts("package.nls.de.json")) };
    const address =
      /(?<![\p{L}])(?:Sie|Ihr|Ihre[mnrs]?|Ihnen|[Dd]u|[Dd]ein\p{L}*|[Dd]ich|[Dd]ir|[Ee]uch|[Ee]ure?\p{L}*)(?![\p{L}])/u;
    assert.deepEqual(
      Object.values(all).filter((text) => address.test(text)),
      [],
    );
  });

  it("keeps the places of the arguments", () => {
    const different = Object.entries(bundle).filter(
      ([text, translation]) => placeholders(text).join() !== placeholders(translation).join(),
    );
    assert.deepEqual(different, []);
  });
});

describe("the texts of package.json", () => {
  /** What VS Code shows of it. */
  const shown = /^(title|name|description|markdownDescription|enumDescriptions|contents|altText)$/;
  /** Names of the product and of its vendors' things: the same in every language. */
  const isName = (text: string) => ["OneCLI", "onecli-vscode"].includes(text);
  const keys = new Set<string>();
  const literal: string[] = [];
  let english: Readonly<Record<string, string>>;
  let german: Readonly<Record<string, string>>;

  before(async () => {
    english = await readTexts("package.nls.json");
    german = await readTexts("package.nls.de.json");
    const take = (name: string, value: unknown) => {
      if (typeof value === "string") {
        const key = /^%(.+)%$/.exec(value)?.[1];
        if (key !== undefined) {
          keys.add(key);
        } else if (shown.test(name) && !isName(value)) {
          literal.push(value);
        }
      } else if (typeof value === "object" && value !== null) {
        for (const [inner, part] of Object.entries(value)) {
          take(Array.isArray(value) ? name : inner, part);
        }
      }
    };
    take("", JSON.parse(await readFile(join(root, "package.json"), "utf8")));
  });

  it("stand in package.nls.json and package.nls.de.json, each once, none left over", () => {
    assert.ok(keys.size > 50);
    assert.deepEqual(literal, []);
    assert.deepEqual(Object.keys(english).sort(), [...keys].sort());
    assert.deepEqual(Object.keys(german).sort(), [...keys].sort());
  });

  it("lead in German to the same commands, settings and pages", () => {
    const targets = (text = "") =>
      [...text.matchAll(/\]\([^)]+\)|#[\w.]+#|`:?[^`]*`/g)].map(([target]) => target).sort();
    for (const key of keys) {
      assert.deepEqual(targets(german[key]), targets(english[key]), key);
    }
  });
});
