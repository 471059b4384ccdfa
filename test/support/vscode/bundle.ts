// Test files → one CommonJS file that exports `run`, which is what `extensionTestsPath` of VS Code names.
import { glob, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { bundleFolder, projectRoot } from "./paths.ts";

/** Mocha stays what it is, a module, wherever the bundle lies. */
const mochaAside: Plugin = {
  name: "mocha-aside",
  setup(hooks) {
    hooks.onResolve({ filter: /^mocha$/ }, () => ({ path: import.meta.resolve("mocha"), external: true }));
  },
};

/** A CommonJS file has no import.meta, and the bundle lies elsewhere: every file is told where its source is. */
const keepImportMeta: Plugin = {
  name: "keep-import-meta",
  setup(hooks) {
    hooks.onLoad({ filter: /[\\/]test[\\/].*\.ts$/ }, async ({ path }) => {
      const places = {
        url: pathToFileURL(path).href,
        dirname: resolve(path, ".."),
        filename: path,
      };
      const contents = (await readFile(path, "utf8")).replace(
        /\bimport\.meta\.(url|dirname|filename)\b/g,
        (_, name: keyof typeof places) => JSON.stringify(places[name]),
      );
      return { contents, loader: "ts" };
    });
  },
};

/**
 * Bundles `**\/*.test.ts` of a folder (test/vscode).
 *
 * @returns the path of the bundle
 */
export async function bundleTests(
  folder = join(projectRoot, "test/vscode"),
  outfile = join(bundleFolder, "vscode/index.cjs"),
): Promise<string> {
  const names: string[] = [];
  for await (const name of glob("**/*.test.ts", { cwd: folder })) {
    names.push(name);
  }
  names.sort();
  if (names.length === 0) {
    throw new Error(`no *.test.ts in ${folder}`);
  }
  const runner = join(import.meta.dirname, "mochaInHost.ts");
  const files = names.map(
    (name) => `[${JSON.stringify(name)}, () => import(${JSON.stringify(join(folder, name))})]`,
  );
  await build({
    stdin: {
      contents: `import { runMocha } from ${JSON.stringify(runner)};
        export const run = () => runMocha([${files.join(", ")}]);`,
      resolveDir: projectRoot,
      sourcefile: "index.ts",
      loader: "ts",
    },
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    external: ["vscode"],
    plugins: [mochaAside, keepImportMeta],
    sourcemap: "inline",
    logLevel: "warning",
    absWorkingDir: projectRoot,
  });
  return outfile;
}
