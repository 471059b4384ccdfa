// Agents and runtimes are no dependencies of the project: each is installed from npm once, into a folder of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { makeOnce } from "../support/vscode/makeOnce.ts";
import { projectRoot } from "../support/vscode/paths.ts";

export interface NpmProgram {
  /** Name and exact version on npm. */
  readonly package: string;
  readonly version: string;
  /** The package's program. */
  readonly program: string;
  /** The one install script without which it does not run, below the package. */
  readonly installScript?: string;
  /** Where the program is, below node_modules; `.bin` unless given. */
  readonly folder?: string;
}

const home = ({ program }: NpmProgram) => join(projectRoot, ".agents", program);
const binOf = (program: NpmProgram) => join(home(program), "node_modules", program.folder ?? ".bin");

/** The path of the program, which is installed if it is not yet. */
export async function install(npmProgram: NpmProgram): Promise<string> {
  const { package: name, version, program, installScript } = npmProgram;
  const wanted = `${name}@${version}`;
  await makeOnce(home(npmProgram), wanted, async (into) => {
    await writeFile(join(into, "package.json"), "{}");
    // Other install scripts only compile what the packages can do without.
    const flags = ["--save-exact", "--ignore-scripts", "--no-audit", "--no-fund"];
    await runQuietly("npm", ["install", ...flags, wanted], into);
    if (installScript !== undefined) {
      await runQuietly(process.execPath, [join("node_modules", name, installScript)], into);
    }
  });
  return join(binOf(npmProgram), program);
}

/** The PATH, and behind all that the machine has, those of the programs that are installed here. */
export function pathWith(programs: readonly NpmProgram[]): string {
  const folders = programs.map(binOf).filter((folder) => existsSync(folder));
  return [process.env["PATH"] ?? "", ...folders].join(delimiter);
}

async function runQuietly(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  const [said] = await Promise.all([text(child.stderr), once(child, "close")]);
  if (child.exitCode !== 0) {
    throw new Error(`${command} ${args.join(" ")} failed: ${said}`);
  }
}
