// Programs as children of a test: the built onecli-gateway, and the clients that go through it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type Readable, type Writable } from "node:stream";
import { z } from "zod";
import { type GatewayEndpoint } from "../../src/core/terminalEnvironment.ts";
import { gatewayFile } from "./gatewayThread.ts";

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What the process finds at its stdin; without it nothing. */
  readonly stdin?: string | Buffer;
  /** The test itself writes to stdin and ends it. */
  readonly stdinOpen?: true;
  /** Whom it runs as, where the tests may choose. */
  readonly uid?: number;
  readonly gid?: number;
  /** What it finds at file descriptor 3, a pipe. */
  readonly fd3?: string;
}

const servingLine = z.strictObject({
  proxy: z.url(),
  ca: z.string(),
  bundle: z.string(),
  api: z.strictObject({ url: z.url(), tokenFile: z.string() }).optional(),
});
export type ServingLine = z.infer<typeof servingLine>;

const running = new Set<ChildProcess>();

/** A process in a group of its own, with all it says. */
export class Program {
  readonly child: ChildProcess;
  /** Fulfilled when the process has ended, whatever still holds its streams. */
  readonly exited: Promise<Pick<Outcome, "status" | "signal">>;
  /** Fulfilled when it has ended and its streams are closed. */
  readonly ended: Promise<Outcome>;
  readonly #said = { stdout: [] as Buffer[], stderr: [] as Buffer[] };

  constructor(
    command: string,
    args: readonly string[],
    { env, cwd, uid, gid, stdin, stdinOpen, fd3 }: ProcessOptions,
  ) {
    this.child = spawn(command, args, {
      env,
      cwd,
      uid,
      gid,
      detached: true,
      stdio: ["pipe", "pipe", "pipe", ...(fd3 === undefined ? [] : ["pipe" as const])],
    });
    const { child } = this;
    running.add(child);
    for (const name of ["stdout", "stderr"] as const) {
      child[name]!.on("data", (chunk: Buffer) => this.#said[name].push(chunk));
    }
    this.exited = once(child, "exit").then(([status, signal]) => ({
      status: status as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
    this.ended = Promise.all([this.exited, once(child, "close")]).then(([exit]) => ({
      ...exit,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
    // Whoever waits for neither is not interested in a failure to start.
    this.exited.catch(() => undefined);
    this.ended.catch(() => undefined);
    // A process may end before it has read what it was given.
    child.stdin!.on("error", () => undefined);
    if (stdinOpen !== true) {
      child.stdin!.end(stdin);
    }
    if (fd3 !== undefined) {
      const pipe = child.stdio[3] as Writable;
      pipe.on("error", () => undefined);
      pipe.end(fd3);
    }
  }

  get stdout(): string {
    return Buffer.concat(this.#said.stdout).toString("utf8");
  }

  get stdoutBytes(): Buffer {
    return Buffer.concat(this.#said.stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#said.stderr).toString("utf8");
  }

  /** Fulfilled with the match as soon as a stream has said it. */
  async said(name: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    const stream: Readable = this.child[name]!;
    for (;;) {
      const match = pattern.exec(this[name]);
      if (match !== null) {
        return match;
      }
      if (stream.readableEnded || stream.destroyed) {
        throw new Error(`${name} ended without ${String(pattern)}: ${this.stdout}${this.stderr}`);
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          stream.off("data", wake).off("close", wake);
          resolve();
        };
        stream.on("data", wake).on("close", wake);
      });
    }
  }

  /** The JSON line of `serve`. */
  async serving(): Promise<ServingLine> {
    const [line] = await this.said("stdout", /^.*\n/);
    return servingLine.parse(JSON.parse(line));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** The built program. */
export function startProgram(args: readonly string[], options: ProcessOptions): Program {
  if (!existsSync(gatewayFile)) {
    throw new Error(`${gatewayFile} is missing: run "npm run build" first`);
  }
  return new Program(process.execPath, [gatewayFile, ...args], options);
}

export function runProgram(args: readonly string[], options: ProcessOptions): Promise<Outcome> {
  return startProgram(args, options).ended;
}

/** Ends every process that the tests have started and that is still there, with all below it. */
export async function killPrograms(): Promise<void> {
  for (const child of running) {
    running.delete(child);
    if (child.pid === undefined) {
      continue;
    }
    const ended = child.exitCode !== null || child.signalCode !== null ? undefined : once(child, "exit");
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // The whole group is gone.
    }
    await ended;
  }
}

export async function isInstalled(command: string): Promise<boolean> {
  const [status] = (await once(spawn("sh", ["-c", `command -v ${command}`]), "exit")) as [number | null];
  return status === 0;
}

export function endpointOf({ proxy }: ServingLine): GatewayEndpoint {
  const { port, username, password } = new URL(proxy);
  return { port: Number(port), username, password };
}
