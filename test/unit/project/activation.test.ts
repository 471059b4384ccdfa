// What runs in every window, mapped hosts or not, is kept small; the rest is loaded where it is needed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { build } from "esbuild";
import { projectRoot } from "../../support/vscode/paths.ts";

/** Modules that src/extension.ts imports, itself and by others; what is loaded by `import()` is left out. */
async function modulesOfActivation(): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: projectRoot,
    entryPoints: [join(projectRoot, "src/extension.ts")],
    bundle: true,
    write: false,
    metafile: true,
    outdir: "unwritten",
    platform: "node",
    external: ["vscode"],
    logLevel: "error",
  });
  const found = new Set(["src/extension.ts"]);
  for (const file of found) {
    for (const { path, kind, external } of metafile.inputs[file]!.imports) {
      if (kind !== "dynamic-import" && external !== true) {
        found.add(path);
      }
    }
  }
  return [...found];
}

describe("what every window loads", () => {
  let modules: string[];
  before(async () => {
    modules = await modulesOfActivation();
  });

  it("is zod and the list of public suffixes of all packages", () => {
    const packages = modules.map((path) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
    assert.deepEqual([...new Set(packages.filter((name) => name !== undefined))].sort(), ["tldts", "zod"]);
  });

  it("is at most 90 modules of ours", () => {
    const own = modules.filter((path) => path.startsWith("src/"));
    assert.ok(own.length > 50 && own.length <= 90, String(own.length));
  });

  for (const [path, need] of [
    ["src/shared/gatewayProtocol.ts", "a gateway"],
    ["src/shared/webviewProtocol.ts", "the dashboard"],
    ["src/shared/doctorReport.ts", "the doctor"],
    ["src/shared/apiSchemas.ts", "a team's gateway"],
  ] as const) {
    it(`leaves out ${path}: that waits for ${need}`, () => {
      assert.ok(!modules.includes(path));
    });
  }
});
