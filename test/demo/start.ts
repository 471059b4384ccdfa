// npm start: the proof first, then the product in a VS Code of its own, with everything around it on this machine.
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installVsix, startVsCode, workbenchUrl } from "../support/vscode/host.ts";
import { projectRoot } from "../support/vscode/paths.ts";
import { prove } from "./proof.ts";
import { startWorld } from "./world.ts";

if (!(await prove())) {
  process.exit(1);
}
const workDir = await mkdtemp(join(tmpdir(), "onecli-start-"));
const world = await startWorld();
const folder = join(workDir, "demo");
const authority = join(workDir, "demo-ca.pem");
await mkdir(folder);
await writeFile(authority, world.authority);
await writeFile(join(folder, "README.md"), readme(world.service.token));

console.log("Installing VS Code for the demo, if it is not here yet, and the extension into it …");
await installVsix(workDir, join(projectRoot, "onecli.vsix"));
const server = await startVsCode({
  workDir,
  settings: { "onecli.parentProxy": world.parent.url, "onecli.extraCaCertificates": [authority] },
});
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

function readme(token: string): string {
  return `# OneCLI demo

Everything here is local and made up: the 1Password service, the vendors, the keys.

1. Press F1, run **OneCLI: Connect 1Password**, and paste this token:

   \`\`\`
   ${token}
   \`\`\`

2. Run **OneCLI: Add Mapping…**: choose Anthropic, then the vault *API Keys*, the item *Anthropic*, the field *credential*.

3. Open a terminal (Terminal: Create New Terminal) and be the agent:

   \`\`\`
   echo $ANTHROPIC_API_KEY
   curl -s https://api.anthropic.com/v1/messages
   \`\`\`

   The first line shows a placeholder. The answer to the second says what the "vendor" received.
`;
}
