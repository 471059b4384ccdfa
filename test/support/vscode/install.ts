// A real VS Code from the npm registry alone: code-server, which is VS Code's own workbench, extension host, secret
// storage and terminal behind an HTTP server. Nothing is compiled, no root is needed.
//
//   node test/support/vscode/install.ts
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeOnce } from "./makeOnce.ts";
import { cacheFolder } from "./paths.ts";
import { spdlogStandIn } from "./spdlogStandIn.ts";

/** Is VS Code 1.139.1. */
const codeServerVersion = "4.139.1";
/** This code-server wants Node 24; an earlier one lacks `module.registerHooks`, and the server answers 500. */
const nodeVersion = "24.21.0";
/** Goes up with every change of what is done below, so that an installation made otherwise is made again. */
const recipe = 1;

export interface CodeServer {
  /** The Node it runs on. */
  readonly node: string;
  /** Its starter. The server inside, started by itself, has no key for SecretStorage. */
  readonly entry: string;
}

/**
 * Dependencies of the server that no extension's test reaches: agents, sandboxes, remote tunnels, the registry of
 * Windows. All are loaded on demand, and many bring binaries or want a compiler.
 */
const unreached = [
  "@devcontainers/cli",
  "@github/copilot-sdk",
  "@microsoft/mxc-sdk",
  "@vscode/copilot-api",
  "@vscode/sandbox-runtime",
  "@vscode/sqlite3",
  "@vscode/windows-process-tree",
  "@vscode/windows-registry",
  "kerberos",
  "ssh2",
];

/** Built-in extensions that cost start-up time and disk. */
const unwantedExtensions = ["copilot", "mermaid-markdown-features"];

/** Modules with native code that every start asks for. */
const standIns = {
  "@vscode/deviceid": `exports.getDeviceId = async () => "00000000-0000-4000-8000-000000000000";`,
  "@vscode/native-watchdog": "exports.start = () => {};",
  "@vscode/spdlog": spdlogStandIn,
};

async function npmInstall(folder: string, ...args: readonly string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  // Not `npm ci`: the shrinkwrap that code-server ships is out of step with its package.json.
  const child = spawn("npm", ["install", ...args, "--ignore-scripts", "--engine-strict=false", ...quiet], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) {
    throw new Error(`npm install ${args.join(" ")} failed in ${folder} (${String(status)})`);
  }
}

async function writeModule(folder: string, name: string, code: string): Promise<void> {
  const path = join(folder, "node_modules", name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "package.json"), JSON.stringify({ name, version: "0.0.0", main: "index.js" }));
  await writeFile(join(path, "index.js"), `"use strict";\n${code}\n`);
}

/** Removes whatever is in the folder but `name`; nothing if there is no `name`. */
async function keepOnly(folder: string, name: string): Promise<void> {
  const entries = await readdir(folder).catch((): string[] => []);
  if (entries.includes(name)) {
    for (const entry of entries.filter((other) => other !== name)) {
      await rm(join(folder, entry), { recursive: true });
    }
  }
}

async function fill(folder: string, nodePackage: string | undefined): Promise<void> {
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "vscode-for-tests", private: true }));
  const node = nodePackage === undefined ? [] : [`${nodePackage}@${nodeVersion}`];
  await npmInstall(folder, `code-server@${codeServerVersion}`, ...node);

  const vscode = join(folder, "node_modules/code-server/lib/vscode");
  const manifestFile = join(vscode, "package.json");
  const manifest = JSON.parse(await readFile(manifestFile, "utf8")) as {
    dependencies: Record<string, string>;
  };
  const dropped = new Set([...unreached, ...Object.keys(standIns)]);
  manifest.dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([name]) => !dropped.has(name)),
  );
  await writeFile(manifestFile, JSON.stringify(manifest, null, 2));
  await npmInstall(vscode, "--omit=dev");
  // TypeScript: without it, every .ts file that is opened raises an error.
  await npmInstall(join(vscode, "extensions"), "--omit=dev");
  for (const [name, code] of Object.entries(standIns)) {
    await writeModule(vscode, name, code);
  }

  for (const name of unwantedExtensions) {
    await rm(join(vscode, "extensions", name), { recursive: true, force: true });
  }
  // Binaries for other platforms, and Node's headers: about 140 MB.
  const platform = `${process.platform}-${process.arch}`;
  await keepOnly(join(vscode, "node_modules/@vscode/ripgrep-universal/bin"), platform);
  await keepOnly(join(vscode, "node_modules/node-pty/prebuilds"), platform);
  await rm(join(vscode, "node_modules/node-pty/third_party"), { recursive: true, force: true });
  if (nodePackage !== undefined) {
    await keepOnly(join(folder, "node_modules", nodePackage), "bin");
  }
}

/** Installs code-server into .vscode-test/code-server if it is not there (about 15 s). */
export async function installCodeServer(): Promise<CodeServer> {
  const folder = join(cacheFolder, "code-server");
  const ownNode = process.versions.node.startsWith("24.");
  if (!ownNode && process.platform !== "linux") {
    throw new Error("code-server runs on Node 24 only. Elsewhere, run the tests in VS Code: runElectron.ts.");
  }
  const nodePackage = ownNode ? undefined : `node-linux-${process.arch}`;
  const stamp = JSON.stringify({ codeServerVersion, nodePackage, nodeVersion, recipe });
  await makeOnce(folder, stamp, async (into) => {
    console.log(`installing code-server ${codeServerVersion} into ${folder}`);
    await fill(into, nodePackage);
  });
  return {
    node:
      nodePackage === undefined ? process.execPath : join(folder, "node_modules", nodePackage, "bin/node"),
    entry: join(folder, "node_modules/code-server/out/node/entry.js"),
  };
}

if (process.argv[1] === import.meta.filename) {
  const { entry } = await installCodeServer();
  console.log(dirname(dirname(dirname(entry))));
}
