import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type World } from "./world.ts";

export interface DemoFolder {
  readonly folder: string;
  /** What any user may set to reach hosts through a company's proxy, and to trust its authority. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A folder to open, whose README says what to do, and the settings that lead the vendors' names to the demo's servers. */
export async function makeDemoFolder(workDir: string, world: World): Promise<DemoFolder> {
  const folder = join(workDir, "demo");
  const authority = join(workDir, "demo-ca.pem");
  await mkdir(folder);
  await writeFile(authority, world.authority);
  await writeFile(join(folder, "README.md"), readme(world.service.token));
  return {
    folder,
    settings: { "onecli.parentProxy": world.parent.url, "onecli.extraCaCertificates": [authority] },
  };
}

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
