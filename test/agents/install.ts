// Agents are no dependencies of the project: each is installed from npm once, into a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { makeOnce } from "../support/vscode/makeOnce.ts";
import { projectRoot } from "../support/vscode/paths.ts";
import { type Agent } from "./agents.ts";

/** The path of the agent's program. */
export async function install({ package: name, version, program, installScript }: Agent): Promise<string> {
  const folder = join(projectRoot, ".agents", program);
  const wanted = `${name}@${version}`;
  await makeOnce(folder, wanted, async (into) => {
    await writeFile(join(into, "package.json"), "{}");
    // Other install scripts only compile what the packages can do without.
    const flags = ["--save-exact", "--ignore-scripts", "--no-audit", "--no-fund"];
    await runQuietly("npm", ["install", ...flags, wanted], into);
    if (installScript !== undefined) {
      await runQuietly(process.execPath, [join("node_modules", name, installScript)], into);
    }
  });
  return join(folder, "node_modules/.bin", program);
}

async function runQuietly(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  const [said] = await Promise.all([text(child.stderr), once(child, "close")]);
  if (child.exitCode !== 0) {
    throw new Error(`${command} ${args.join(" ")} failed: ${said}`);
  }
}
