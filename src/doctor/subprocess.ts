// Programs of the machine, as children that cannot outlive their time.
import { type ChildProcess, spawn } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

const isWindows = process.platform === "win32";

/** The file that a name means on the PATH of an environment. */
export async function findProgram(name: string, environment: Environment): Promise<string | undefined> {
  const path = environment["PATH"] ?? environment["Path"] ?? "";
  const extensions = isWindows ? (environment["PATHEXT"] ?? ".EXE;.CMD;.BAT").split(";") : [""];
  for (const folder of path.split(delimiter)) {
    for (const extension of folder === "" ? [] : extensions) {
      const file = join(folder, name + extension);
      if (await isExecutable(file)) {
        return file;
      }
    }
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

export interface Invocation {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
  /** Milliseconds; what still runs then is killed with all that it has started. */
  readonly timeout: number;
  /** Kills it as well. */
  readonly signal: AbortSignal;
  /** Told of everything that was printed so far, whenever there is more. */
  readonly onOutput?: (stdout: string) => void;
}

export interface Outcome {
  /** Null where it was killed or could not be started. */
  readonly status: number | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

const maxOutput = 256 * 1024;
/** What the child has left behind may hold its streams open; nobody waits longer for them, in milliseconds. */
const streamPatience = 500;

export function runToEnd(invocation: Invocation): Promise<Outcome> {
  const { program, args, env, cwd, timeout, signal, onOutput } = invocation;
  return new Promise((resolve) => {
    const said = { stdout: "", stderr: "" };
    let timedOut = false;
    let status: number | null = null;
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
      resolve({ status, timedOut, ...said });
    };
    let child: ChildProcess;
    try {
      child = spawn(...commandOf(program, args), {
        // Null removes a variable in none of Node's versions; undefined does.
        env: { ...env },
        cwd,
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own, so that it can be killed with everything below it.
        detached: !isWindows,
        windowsHide: true,
        windowsVerbatimArguments: isBatch(program),
      });
    } catch (error) {
      resolve({ status: null, timedOut, stdout: "", stderr: (error as Error).message });
      return;
    }
    const kill = () => killTree(child);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeout);
    signal.addEventListener("abort", kill, { once: true });
    if (signal.aborted) {
      kill();
    }
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
        said[name] = (said[name] + chunk).slice(0, maxOutput);
        if (name === "stdout") {
          onOutput?.(said.stdout);
        }
      });
    }
    child.once("error", (error) => {
      said.stderr += error.message;
      finish();
    });
    child.once("exit", (code) => {
      status = code;
      kill();
      const patience = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, streamPatience);
      child.once("close", () => {
        clearTimeout(patience);
        finish();
      });
    });
  });
}

const isBatch = (program: string) => isWindows && /\.(cmd|bat)$/i.test(program);

/** Batch files are run by cmd.exe; the arguments are ours and hold no quotes. */
function commandOf(program: string, args: readonly string[]): [string, string[]] {
  if (!isBatch(program)) {
    return [program, [...args]];
  }
  const line = [program, ...args].map((part) => `"${part}"`).join(" ");
  return [process.env["ComSpec"] ?? "cmd.exe", ["/d", "/s", "/c", `"${line}"`]];
}

function killTree({ pid }: ChildProcess): void {
  if (pid === undefined) {
    return;
  }
  if (isWindows) {
    spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore", windowsHide: true }).on(
      "error",
      () => undefined,
    );
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}
