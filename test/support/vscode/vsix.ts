// The extension as it is published.
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { bundleFolder, projectRoot } from "./paths.ts";

/** Packages the extension as it is built. The bundles hold its dependencies. */
export async function packageVsix(
  extension = projectRoot,
  file = join(bundleFolder, "onecli.vsix"),
): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  const vsce = join(projectRoot, "node_modules/@vscode/vsce/vsce");
  const args = [vsce, "package", "--no-dependencies", "--allow-missing-repository", "--out", file];
  await promisify(execFile)(process.execPath, args, { cwd: extension });
  return file;
}
