// VS Code as a server on 127.0.0.1, with a home, settings and extensions of its own.
//
//   workDir ─┬─ user-data/User/settings.json
//            ├─ extensions/
//            ├─ home/            HOME of the extension host and of the terminals
//            └─ server.log
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createWriteStream, rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type CodeServer, installCodeServer } from "./install.ts";
import { type Settings, writeSettings } from "./settings.ts";

export interface VsCodeOptions {
  /** Everything that outlives a run of this VS Code. */
  readonly workDir: string;
  /** Without it a free one. What the browser keeps (SecretStorage, Memento) is kept per port. */
  readonly port?: number;
  /** Variables of the extension host and of its terminals. */
  readonly env?: NodeJS.ProcessEnv;
  /** Beside the ones that keep VS Code quiet. */
  readonly settings?: Settings;
  /**
   * The workbench obeys `extensionDevelopmentPath` and `extensionTestsPath` in its address, which a built one ignores
   * otherwise. Notifications do not pop up then.
   */
  readonly driver?: boolean;
}

export interface VsCodeServer {
  readonly url: string;
  readonly port: number;
  readonly workDir: string;
  /** What the server has said so far. */
  readonly log: string;
  /** Rejected when the server ends before `stop`. */
  readonly failed: Promise<never>;
  /** Ends the server, its extension hosts and its terminals. */
  stop(): Promise<void>;
}

/**
 * What is passed on. Not the rest: variables of an outer VS Code, proxies, certificates and tokens would make a test see
 * what its machine has set.
 */
const passedOn = ["PATH", "USER", "LOGNAME", "TZ"];

function environment(workDir: string, more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(passedOn.map((name) => [name, process.env[name]])),
    HOME: join(workDir, "home"),
    LANG: "C.UTF-8",
    SHELL: "/bin/bash",
    // No gallery: nothing is looked up in the network.
    EXTENSIONS_GALLERY: "{}",
    ...more,
  };
}

function commandLine(workDir: string): string[] {
  const userData = join(workDir, "user-data");
  // Without --config, the file in the home folder counts, and is made.
  const config = ["--config", join(workDir, "config.yaml")];
  return [...config, "--user-data-dir", userData, "--extensions-dir", join(workDir, "extensions")];
}

async function prepare(workDir: string): Promise<CodeServer> {
  const codeServer = await installCodeServer();
  await mkdir(join(workDir, "extensions"), { recursive: true });
  await mkdir(join(workDir, "home"), { recursive: true });
  await writeFile(join(workDir, "config.yaml"), "auth: none\n");
  // A prompt that a test can wait for, and no history.
  await writeFile(join(workDir, "home/.bashrc"), "PS1='$ '\nunset HISTFILE\n");
  return codeServer;
}

/** The servers, each with the folder of its sockets. */
const running = new Map<ChildProcess, string>();
let watchingExit = false;

/** The whole group: server, extension hosts, the host of the terminals. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It is gone.
  }
}

/** A group of its own does not hear the terminal's Ctrl-C. */
function endWithThisProcess(child: ChildProcess, sockets: string): void {
  running.set(child, sockets);
  if (watchingExit) {
    return;
  }
  watchingExit = true;
  process.once("exit", () => {
    for (const [left, folder] of running) {
      signalGroup(left, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      // A program that listens itself stops its servers in order.
      if (process.listenerCount(signal) === 0) {
        process.exit(128 + constants.signals[signal]);
      }
    });
  }
}

/** @throws Error if it does not listen within a minute; with what it has said. */
export async function startVsCode(options: VsCodeOptions): Promise<VsCodeServer> {
  const { workDir, port = 0, env = {}, settings, driver = false } = options;
  const { node, entry } = await prepare(workDir);
  await writeSettings(join(workDir, "user-data"), settings);
  // For sockets, whose paths may have 107 characters: not in workDir.
  const sockets = await mkdtemp(join(tmpdir(), "vscode-"));
  const child = spawn(
    node,
    [
      entry,
      ...commandLine(workDir),
      ...["--auth", "none", "--bind-addr", `127.0.0.1:${port}`, "--session-socket", join(sockets, "session")],
      ...["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"],
      "--disable-getting-started-override",
      ...(driver ? ["--vscode-option", "enable-smoke-test-driver"] : []),
    ],
    {
      env: environment(workDir, { TMPDIR: sockets, XDG_RUNTIME_DIR: sockets, ...env }),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    },
  );
  endWithThisProcess(child, sockets);

  const logFile = createWriteStream(join(workDir, "server.log"), { flags: "a" });
  let log = "";
  const listening = Promise.withResolvers<number>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      logFile.write(text);
      const match = /HTTP server listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log);
      if (match !== null) {
        listening.resolve(Number(match[1]));
      }
    });
  }

  const exited = new Promise<void>((resolve) =>
    child.once("exit", () => resolve()).once("error", () => resolve()),
  );
  let stopping = false;
  const failed = exited.then(() => {
    if (stopping) {
      return new Promise<never>(() => undefined);
    }
    throw new Error(`VS Code's server has ended (${String(child.exitCode ?? child.signalCode)}):\n${log}`);
  });
  // Whoever does not wait for it is not interested.
  failed.catch(() => undefined);
  const stop = async () => {
    stopping = true;
    signalGroup(child, "SIGTERM");
    const impatience = setTimeout(() => signalGroup(child, "SIGKILL"), 3000);
    await exited;
    clearTimeout(impatience);
    // What is left of the group.
    signalGroup(child, "SIGKILL");
    running.delete(child);
    await new Promise<void>((resolve) => logFile.end(resolve));
    await rm(sockets, { recursive: true, force: true, maxRetries: 3 });
  };

  const limit = setTimeout(
    () => listening.reject(new Error(`VS Code's server does not start:\n${log}`)),
    60_000,
  );
  try {
    const taken = await Promise.race([listening.promise, failed]);
    return {
      url: `http://127.0.0.1:${taken}`,
      port: taken,
      workDir,
      get log() {
        return log;
      },
      failed,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(limit);
  }
}

/** Installs an extension for every VS Code that is started with this workDir. */
export async function installVsix(workDir: string, vsix: string): Promise<void> {
  const { node, entry } = await prepare(workDir);
  const args = [entry, ...commandLine(workDir), "--install-extension", vsix, "--force"];
  await promisify(execFile)(node, args, { env: environment(workDir, {}), timeout: 120_000 });
}

/** A file or folder as the workbench names it: its authority is the address of the page. */
export function remoteUri({ port }: VsCodeServer, path: string): string {
  return `vscode-remote://127.0.0.1:${port}${path.split("/").map(encodeURIComponent).join("/")}`;
}

export type Payload = readonly (readonly [name: string, value: string])[];

export function workbenchUrl(
  server: VsCodeServer,
  { folder, payload }: { folder?: string; payload?: Payload } = {},
): string {
  const url = new URL(server.url);
  // Without "ew" (empty window) the folder of the last time opens.
  const [name, value] = folder === undefined ? (["ew", "true"] as const) : (["folder", folder] as const);
  url.searchParams.set(name, value);
  if (payload !== undefined) {
    url.searchParams.set("payload", JSON.stringify(payload));
  }
  return url.href;
}
