import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { type Logger } from "../core/ports.ts";
import { terminalEnvironment } from "../core/terminalEnvironment.ts";
import { type Invocation } from "./commandLine.ts";
import { readConfig } from "./config.ts";
import { onLoopback } from "./listen.ts";
import { startGateway } from "./start.ts";
import { StoredSecretValues } from "./storedSecretValues.ts";
import { readToken } from "./token.ts";

const forwardedSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

const notFoundStatus = 127;
const notExecutableStatus = 126;

/** Runs a command through a gateway of its own and returns the command's exit status. */
export async function run(
  invocation: Extract<Invocation, { kind: "run" }>,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  const token = readToken(invocation.token, environment);
  const shared = await readConfig(invocation.config, environment);
  const config = { ...shared, listen: onLoopback(shared.listen.port), agents: [] };
  const { gateway, files } = await startGateway(
    config,
    token,
    new StoredSecretValues(environment),
    environment,
    silentLogger,
  );
  try {
    const { set, unset } = terminalEnvironment(
      gateway.endpoint,
      files,
      [...config.storedSecrets, ...config.mappings],
      environment,
    );
    const childEnvironment = { ...environment };
    for (const name of unset) {
      Reflect.deleteProperty(childEnvironment, name);
    }
    Object.assign(childEnvironment, set);
    return await execute(invocation.command, invocation.args, childEnvironment);
  } finally {
    await gateway.stop();
  }
}

/** Waits for the command itself, not for its streams: what it left running in the background may hold those. */
function execute(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise<number>((resolve) => {
    const fail = (error: unknown) => resolve(startFailure(command, error));
    let child: ChildProcess;
    try {
      child = spawn(command, args, { stdio: "inherit", env });
    } catch (error) {
      // Some of the system's errors are thrown (ENOTDIR, E2BIG), others come as an event.
      fail(error);
      return;
    }
    const stopForwarding = forwardSignals(child);
    child.once("error", fail);
    child.once("exit", (code, signal) => {
      stopForwarding();
      resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]);
    });
  });
}

function startFailure(command: string, error: unknown): number {
  const { code = "unknown fault" } = error as NodeJS.ErrnoException;
  const isMissing = code === "ENOENT";
  const reason = isMissing ? "not found" : `not executable (${code})`;
  process.stderr.write(`onecli-gateway: ${command}: ${reason}\n`);
  return isMissing ? notFoundStatus : notExecutableStatus;
}

function forwardSignals(child: ChildProcess): () => void {
  const listeners = forwardedSignals.map((signal) => {
    const listener = () => {
      // Ctrl-C at a terminal reaches every process of the foreground group; twice would be one too many.
      // Not process.stdin.isTTY: it would make the pipe that the command reads from non-blocking.
      if (signal !== "SIGINT" || !isatty(0)) {
        child.kill(signal);
      }
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return () => listeners.forEach((remove) => remove());
}

/** The terminal is the command's: what goes wrong on the way shows in the answers that it gets. */
export const silentLogger: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
