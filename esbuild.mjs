// Builds dist/: one CommonJS bundle per entry point, and the SDK's WebAssembly core beside it.
import { chmod, copyFile, mkdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const dist = "dist";
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

await build({
  entryPoints: { gateway: "src/main.ts" },
  outdir: dist,
  bundle: true,
  platform: "node",
  format: "cjs",
  // The oldest Node that a supported VS Code ships.
  target: "node22",
  banner: { js: "#!/usr/bin/env node" },
  minify: process.argv.includes("--minify"),
  sourcemap: process.argv.includes("--sourcemap") ? "linked" : false,
  legalComments: "linked",
  logLevel: "warning",
});

// sdk-core reads core_bg.wasm from the folder of the file it is bundled into.
const require = createRequire(import.meta.url);
const core = createRequire(require.resolve("@1password/sdk")).resolve("@1password/sdk-core");
await copyFile(join(dirname(core), "core_bg.wasm"), join(dist, "core_bg.wasm"));
await chmod(join(dist, "gateway.js"), 0o755);
