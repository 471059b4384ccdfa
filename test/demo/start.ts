// npm start: the proof first, then the product in a VS Code of its own, with everything around it on this machine.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installVsix, startVsCode, workbenchUrl } from "../support/vscode/host.ts";
import { packageVsix } from "../support/vscode/vsix.ts";
import { makeDemoFolder } from "./demoFolder.ts";
import { prove } from "./proof.ts";
import { startWorld } from "./world.ts";

const vsix = await packageVsix();
if (!(await prove())) {
  process.exit(1);
}
const workDir = await mkdtemp(join(tmpdir(), "onecli-start-"));
const world = await startWorld();
const { folder, settings } = await makeDemoFolder(workDir, world);

console.log("\nInstalling VS Code for the demo, if it is not here yet, and the extension into it …");
await installVsix(workDir, vsix);
const server = await startVsCode({ workDir, settings });
console.log(`
OneCLI in VS Code:  ${workbenchUrl(server, { folder })}

Open that address in a browser. README.md in the folder has the token to paste and the commands to try.
Ctrl-C stops everything.`);

const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await Promise.race([stopped, server.failed]).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
await server.stop();
await world.stop();
await rm(workDir, { recursive: true, force: true });
