// Builds dist/: one bundle per entry point, and the SDK's WebAssembly core beside it. --gateway: that of the gateway alone.
import { chmod, copyFile, mkdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  console.error(
    `Node ${process.versions.node} is too old. npm ci brings a Node for Linux and Windows (run this by npm);` +
      " elsewhere install Node 22.15 or newer.",
  );
  process.exit(1);
}

const dist = "dist";
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const common = {
  outdir: dist,
  bundle: true,
  platform: "node",
  format: "cjs",
  // The oldest Node that a supported VS Code ships.
  target: "node22",
  minify: process.argv.includes("--minify"),
  sourcemap: process.argv.includes("--sourcemap") ? "linked" : false,
  legalComments: "linked",
  logLevel: "warning",
};
await build({ ...common, entryPoints: { gateway: "src/main.ts" }, banner: { js: "#!/usr/bin/env node" } });
// The image of the gateway has no editor.
if (!process.argv.includes("--gateway")) {
  await build({
    ...common,
    entryPoints: { extension: "src/extension.ts" },
    plugins: [
      // esbuild copies every name of an external module for each file that imports it, of this one for milliseconds.
      substitute("vscode", 'export * from "vscode";', "vscode"),
      // A third of all code, for wildcards alone: loaded where there is one.
      substitute(
        "tldts",
        'export const getPublicSuffix = (...args) => require("tldts").getPublicSuffix(...args);',
        "./publicSuffixes.js",
      ),
    ],
  });
  await build({ ...common, entryPoints: { publicSuffixes: "tldts" } });
  await build({
    ...common,
    outdir: `${dist}/webview`,
    entryPoints: { dashboard: "webview-ui/src/main.ts" },
    platform: "browser",
    format: "iife",
    target: "es2022",
    // It is loaded anew whenever it is looked at.
    minify: true,
  });
}

/** Puts other contents in the place of a package. Where they name the package, they mean the file `itself`. */
function substitute(name, contents, itself) {
  const filter = new RegExp(`^${name}$`);
  return {
    name: `substitute-${name}`,
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ namespace }) =>
        namespace === name ? { path: itself, external: true } : { path: name, namespace: name },
      );
      onLoad({ filter, namespace: name }, () => ({ contents }));
    },
  };
}

// sdk-core reads core_bg.wasm from the folder of the file it is bundled into.
const require = createRequire(import.meta.url);
const core = createRequire(require.resolve("@1password/sdk")).resolve("@1password/sdk-core");
await copyFile(join(dirname(core), "core_bg.wasm"), join(dist, "core_bg.wasm"));
await chmod(join(dist, "gateway.js"), 0o755);
