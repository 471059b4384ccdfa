// docs/api.md as a reader would follow it: every command of its session is run, and its output compared.
import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCodes } from "../../src/core/errors.ts";
import { Program } from "../support/program.ts";
import { ApiSuite } from "./suite.ts";

const page = await readFile(new URL("../../docs/api.md", import.meta.url), "utf8");
const portOfPage = "18080";

interface Step {
  readonly command: string;
  readonly output: string;
}

/** The commands of all console blocks; a command goes on in lines that are indented. */
function session(): Step[] {
  const steps: Step[] = [];
  for (const [, block = ""] of page.matchAll(/^```console\n([^]*?)^```/gm)) {
    for (const [, command = "", output = ""] of block.matchAll(
      /^\$ ((?:.*\n)(?: {4}.*\n)*)((?:(?!\$ ).*\n)*)/gm,
    )) {
      steps.push({ command, output });
    }
  }
  return steps;
}

function block(language: string): string {
  const [, text = ""] = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "m").exec(page) ?? [];
  return text;
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** Matches a text in which every `…` stands for anything. */
function pattern(text: string): RegExp {
  return new RegExp(`^${text.split("…").map(escaped).join("[^]*?")}$`);
}

describe("docs/api.md", () => {
  const suite = ApiSuite.use();

  it("shows a session as it is", async () => {
    const config = JSON.parse(block("json")) as { api: object; mappings: unknown };
    const { mappings, api } = config;
    const { line, configFile } = await suite.serve({ mappings, api: { ...api, port: 0 } });
    const port = new URL(line.api!.url).port;
    const steps = session();
    assert.ok(steps.length > 15);
    const mark = "=====";
    const script = steps.map(({ command }) => `${command}echo ${mark}`).join("\n");
    const shell = new Program("bash", ["-c", script.replaceAll(portOfPage, port)], {
      env: suite.world.env(),
      cwd: dirname(configFile),
    });
    const { stdout, stderr } = await shell.ended;
    assert.equal(stderr, "");
    const outputs = stdout.replaceAll(port, portOfPage).split(`${mark}\n`);
    steps.forEach(({ command, output }, index) =>
      assert.match(outputs[index] ?? "", pattern(output), command),
    );
  });

  it("names only errors that there are, and links to files that are there", async () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#([^)]+))?\)/g)];
    assert.ok(links.length > 10);
    for (const [, file = "", anchor] of links) {
      await access(new URL(`../../docs/${file}`, import.meta.url));
      if (file === "errors.md" && anchor !== undefined) {
        assert.ok(
          errorCodes.some((code) => code === anchor),
          anchor,
        );
      }
    }
  });
});
