// Every text of the extension and its page has a translation, and every translation a text.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeError, errorCodes } from "../../../src/core/errors.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A text as it stands in the source; one that is put together at run time could not be translated. */
const call = /(?<![\w.])(?:vscode\.l10n\.)?t\(\s*("(?:[^"\\\n]|\\.)*")/g;
const wrongCall = /(?<![\w.])(?:vscode\.l10n\.)?t\(\s*[^"\s)]/g;
/** Hints are texts of the error table, which is the gateway's as well. */
const hintCalls = new Set(["vscode.l10n.t(d"]);

async function textsOf(folder: string, found: Set<string>, wrong: string[]): Promise<void> {
  for (const name of await readdir(join(root, folder), { recursive: true })) {
    if (name.endsWith(".ts") && !name.endsWith("l10n.ts")) {
      const source = await readFile(join(root, folder, name), "utf8");
      for (const [, text = ""] of source.matchAll(call)) {
        found.add(JSON.parse(text) as string);
      }
      for (const [match] of source.matchAll(wrongCall)) {
        if (!hintCalls.has(match)) {
          wrong.push(`${name}: ${match}`);
        }
      }
    }
  }
}

async function readTexts(path: string): Promise<Readonly<Record<string, string>>> {
  return JSON.parse(await readFile(join(root, path), "utf8")) as Record<string, string>;
}

const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

describe("the German translation", () => {
  const texts = new Set<string>(errorCodes.map((code) => describeError(code).hint));
  const wrong: string[] = [];
  let bundle: Readonly<Record<string, string>>;
  before(async () => {
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
