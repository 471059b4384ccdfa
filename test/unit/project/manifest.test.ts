// package.json against the code: what it names must be there.
import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const root = new URL("../../../", import.meta.url);
const text = (path: string) => readFile(new URL(path, root), "utf8");

const command = z.object({ command: z.string(), title: z.string(), category: z.string() });
const menuItem = z.object({ command: z.string(), when: z.string().optional() });
const setting = z.object({
  markdownDescription: z.string().min(20),
  scope: z.enum(["application", "machine", "window", "resource"]),
  default: z.unknown(),
  ignoreSync: z.boolean().optional(),
});
const manifest = z.object({
  main: z.string(),
  icon: z.string(),
  engines: z.object({ vscode: z.string() }),
  devDependencies: z.record(z.string(), z.string()),
  extensionKind: z.array(z.string()),
  activationEvents: z.array(z.string()),
  enabledApiProposals: z.undefined().optional(),
  contributes: z.object({
    commands: z.array(command),
    menus: z.record(z.string(), z.array(menuItem)),
    viewsContainers: z.object({ activitybar: z.array(z.object({ icon: z.string() })) }),
    viewsWelcome: z.array(z.object({ contents: z.string(), when: z.string() })),
    walkthroughs: z.array(
      z.object({
        steps: z.array(
          z.object({ description: z.string(), media: z.object({ svg: z.string(), altText: z.string() }) }),
        ),
      }),
    ),
    configuration: z.object({ properties: z.record(z.string(), setting) }),
  }),
});

describe("package.json", () => {
  let json: z.infer<typeof manifest>;
  before(async () => {
    const texts = z.record(z.string(), z.string()).parse(JSON.parse(await text("package.nls.json")));
    // As VS Code reads it: `%key%` stands for a text.
    const resolve = (_: string, value: unknown) =>
      typeof value === "string" ? (texts[/^%(.+)%$/.exec(value)?.[1] ?? ""] ?? value) : value;
    json = manifest.parse(JSON.parse(await text("package.json"), resolve));
  });

  it("contributes exactly the commands that are registered, and Connect 1Password among them", async () => {
    const source = await text("src/vscode/commands/register.ts");
    const list = /export const commandIds = \[([^\]]*)\]/.exec(source)?.[1] ?? "";
    const registered = [...list.matchAll(/"([^"]+)"/g)].map(([, id]) => id);
    assert.deepEqual(json.contributes.commands.map((entry) => entry.command).sort(), registered.sort());
    assert.ok(registered.length > 10);
    const connect = json.contributes.commands.find((entry) => entry.command === "onecli.account.connect");
    assert.equal(`${connect?.category}: ${connect?.title}`, "OneCLI: Connect 1Password");
  });

  it("names in menus, welcome texts and walkthroughs only commands that exist", () => {
    const known = new Set(json.contributes.commands.map((entry) => entry.command));
    known.add("onecli.mappings.focus"); // VS Code makes one for each view
    const named = [
      ...Object.values(json.contributes.menus).flatMap((items) => items.map((item) => item.command)),
      ...[
        ...json.contributes.viewsWelcome.map(({ contents }) => contents),
        ...json.contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ description }) => description)),
      ].flatMap((words) => [...words.matchAll(/\(command:([\w.]+)\)/g)].map(([, id = ""]) => id)),
    ];
    assert.deepEqual(
      named.filter((id) => !known.has(id)),
      [],
    );
    assert.ok(named.length > 20);
  });

  it("asks in `when` clauses only for context keys that the code sets", async () => {
    const source = await text("src/vscode/contextKeys.ts");
    const set = new Set([...source.matchAll(/"(onecli\.[\w.]+)"/g)].map(([, key]) => key));
    const clauses = [
      ...Object.values(json.contributes.menus).flatMap((items) => items.map(({ when = "" }) => when)),
      ...json.contributes.viewsWelcome.map(({ when }) => when),
    ];
    for (const [key] of clauses.join(" ").matchAll(/onecli\.\w+/g)) {
      assert.ok(set.has(key) || key === "onecli.mappings", key);
    }
  });

  it("points at files that are there", async () => {
    const files = [
      json.icon,
      ...json.contributes.viewsContainers.activitybar.map(({ icon }) => icon),
      ...json.contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg)),
    ];
    await Promise.all(files.map((file) => access(fileURLToPath(new URL(file, root)))));
    assert.equal(json.contributes.walkthroughs[0]?.steps.length, 4);
  });

  it("describes and scopes every setting; those that widen trust are the user's alone and not synchronised", () => {
    const { properties } = json.contributes.configuration;
    assert.equal(properties["onecli.terminals"]?.scope, "application");
    for (const name of [
      "onecli.parentProxy",
      "onecli.noProxy",
      "onecli.extraCaCertificates",
      "onecli.gateway.url",
      "onecli.api.enabled",
      "onecli.api.port",
    ]) {
      assert.equal(properties[name]?.scope, "application", name);
      assert.equal(properties[name].ignoreSync, true, name);
    }
  });

  it("is written against the oldest VS Code that it supports, and runs where terminals are", () => {
    assert.equal(json.engines.vscode, `^${json.devDependencies["@types/vscode"] ?? ""}`);
    assert.deepEqual(json.extensionKind, ["workspace"]);
    assert.deepEqual(json.activationEvents, ["onStartupFinished", "onWebviewPanel:onecli.dashboard"]);
  });
});
