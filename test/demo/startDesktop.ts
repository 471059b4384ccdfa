// npm run start:desktop: the same as npm start, in the desktop VS Code whose `code` is on the PATH.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../support/vscode/paths.ts";
import { makeDemoFolder } from "./demoFolder.ts";
import { prove } from "./proof.ts";
import { startWorld } from "./world.ts";

if (!(await prove())) {
  process.exit(1);
}
const workDir = await mkdtemp(join(tmpdir(), "onecli-start-"));
const world = await startWorld();
const { folder, settings } = await makeDemoFolder(workDir, world);
const userData = join(workDir, "user-data");
await mkdir(join(userData, "User"), { recursive: true });
await writeFile(join(userData, "User", "settings.json"), JSON.stringify(settings));
const code = spawn(
  "code",
  [
    "--wait",
    "--new-window",
    `--user-data-dir=${userData}`,
    `--extensions-dir=${join(workDir, "extensions")}`,
    `--extensionDevelopmentPath=${projectRoot}`,
    "--disable-workspace-trust",
    folder,
  ],
  { stdio: "inherit", shell: process.platform === "win32" },
);
console.log("VS Code opens; README.md in its folder says what to do. Closing the window stops everything.");
try {
  await once(code, "exit");
} catch {
  console.error(
    "There is no program `code` on the PATH. In VS Code: Shell Command: Install 'code' command in PATH.",
  );
  process.exitCode = 1;
}
await world.stop();
await rm(workDir, { recursive: true, force: true });
