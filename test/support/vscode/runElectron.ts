// Runs the same tests in a VS Code downloaded from its vendor, for machines that may.
//
//   node test/support/vscode/runElectron.ts [VERSION]        or VSCODE_TEST_VERSION; "stable" without either
//
// Build dist/ first. Linux without a display: xvfb-run -a.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTests } from "@vscode/test-electron";
import { bundleTests } from "./bundle.ts";
import { writeSettings } from "./settings.ts";
import { projectRoot } from "./paths.ts";

const version = process.argv[2] ?? process.env["VSCODE_TEST_VERSION"] ?? "stable";
// Its sockets lie in there, so the path is to be short.
const userData = await mkdtemp(join(tmpdir(), "vsc-"));
try {
  await writeSettings(userData);
  process.exitCode = await runTests({
    version,
    extensionDevelopmentPath: projectRoot,
    extensionTestsPath: await bundleTests(),
    launchArgs: ["--disable-extensions", "--disable-workspace-trust", `--user-data-dir=${userData}`],
  });
} finally {
  await rm(userData, { recursive: true, force: true, maxRetries: 3 });
}
