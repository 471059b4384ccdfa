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

const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

describe("the German translation", () => {
  const texts = new Set<string>(errorCodes.map((code) => describeError(code).hint));
  const wrong: string[] = [];
  let bundle: Readonly<Record<string, string>>;
  before(async () => {
    await textsOf("src/vscode", texts, wrong);
    await textsOf("webview-ui/src", texts, wrong);
    bundle = JSON.parse(await readFile(join(root, "l10n/bundle.l10n.de.json"), "utf8")) as typeof bundle;
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
