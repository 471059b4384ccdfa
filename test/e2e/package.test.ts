import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "../support/vscode/paths.ts";
import { packageVsix } from "../support/vscode/vsix.ts";

const megabyte = 1024 * 1024;

describe("the package", function () {
  this.timeout(60_000);
  let file: string;
  before(async () => {
    file = await packageVsix();
  });

  it("is no larger than 8 MB, and its extension.js than 1.5 MB", async () => {
    assert.ok((await stat(file)).size <= 8 * megabyte);
    assert.ok((await stat(join(projectRoot, "dist/extension.js"))).size <= 1.5 * megabyte);
  });

  it("holds what runs and what is read, and nothing else", async () => {
    const vsce = join(projectRoot, "node_modules/@vscode/vsce/vsce");
    const { stdout } = await promisify(execFile)(process.execPath, [vsce, "ls", "--no-dependencies"], {
      cwd: projectRoot,
    });
    const files = stdout
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("npm "));
    assert.deepEqual(files.filter((name) => !name.startsWith("media/")).sort(), [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist/core_bg.wasm",
      "dist/extension.js",
      "dist/gateway.js",
      "dist/gateway.js.LEGAL.txt",
      "dist/publicSuffixes.js",
      "dist/webview/dashboard.css",
      "dist/webview/dashboard.js",
      "dist/webview/dashboard.js.LEGAL.txt",
      "l10n/bundle.l10n.de.json",
      "package.json",
      "package.nls.de.json",
      "package.nls.json",
    ]);
    assert.ok(files.every((name) => /\.(svg|png|js|css|json|md|txt|wasm)$|^LICENSE$/.test(name)));
  });
});
