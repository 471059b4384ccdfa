import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join, sep } from "node:path";
import * as vscode from "vscode";
import { z } from "zod";

const contributed = z.object({
  contributes: z.object({
    commands: z.array(z.object({ command: z.string() })),
    configuration: z.object({ properties: z.record(z.string(), z.object({ default: z.unknown() })) }),
  }),
});

describe("the extension", () => {
  let extension: vscode.Extension<unknown>;
  before(async () => {
    const found = vscode.extensions.getExtension("onecli.onecli-vscode");
    assert.ok(found);
    extension = found;
    await extension.activate();
  });

  it("loads one file of its own to activate: no SDK, no WebAssembly, no list of public suffixes", () => {
    const dist = join(extension.extensionPath, "dist");
    const isOurs = (file: string) => file.startsWith(join(dist, sep));
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter(isOurs);
    assert.deepEqual(loaded, [join(dist, "extension.js")]);
  });

  it("activates, and hands nothing to other extensions", () => {
    assert.equal(extension.isActive, true);
    assert.equal(extension.exports, undefined);
  });

  it("runs where the terminals are", () => {
    assert.equal(extension.extensionKind, vscode.ExtensionKind.Workspace);
  });

  it("has registered every command that package.json contributes", async () => {
    const known = new Set(await vscode.commands.getCommands(true));
    const { commands } = contributed.parse(extension.packageJSON).contributes;
    assert.ok(commands.length > 10);
    assert.deepEqual(
      commands.filter(({ command }) => !known.has(command)),
      [],
    );
  });

  it("has the defaults of its settings", () => {
    const { properties } = contributed.parse(extension.packageJSON).contributes.configuration;
    for (const [name, { default: value }] of Object.entries(properties)) {
      assert.deepEqual(vscode.workspace.getConfiguration().get(name), value, name);
    }
  });

  it("shows its view and its log when asked to", async () => {
    await vscode.commands.executeCommand("onecli.mappings.focus");
    await vscode.commands.executeCommand("onecli.log.show");
  });
});
