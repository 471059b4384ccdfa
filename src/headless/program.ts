// The program onecli-gateway.
import { readFileSync } from "node:fs";
import * as z from "zod";
import { type GatewayEndpoint, terminalEnvironment } from "../core/terminalEnvironment.ts";
import { makeAgent } from "./agents.ts";
import { makeAuthority } from "./authorityFiles.ts";
import { type Invocation, parseCommandLine } from "./commandLine.ts";
import { readConfig } from "./config.ts";
import { UsageError } from "./usageError.ts";
import { doctor } from "./doctor.ts";
import { run } from "./run.ts";
import { serve } from "./serve.ts";
import { shellCode } from "./shellCode.ts";
import { version } from "../shared/version.ts";

const usageStatus = 2;
const faultStatus = 70;

/**
 * Runs the program; the process ends with the returned status once nothing is left to do.
 * @param environment as it was at the start; the command of `run` inherits it.
 */
export async function program(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  try {
    return await execute(parseCommandLine(argv), environment);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`onecli-gateway: ${error.message}\n`);
      return usageStatus;
    }
    // The message of an unforeseen error may quote anything; its kind and place do not.
    const { name = "unknown", stack = "" } = error instanceof Error ? error : {};
    const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
    process.stderr.write(`onecli-gateway: internal fault (${name})\n${frames.slice(0, 8).join("\n")}\n`);
    return faultStatus;
  }
}

async function execute(invocation: Invocation, environment: NodeJS.ProcessEnv): Promise<number> {
  switch (invocation.kind) {
    case "help":
      process.stdout.write(invocation.text);
      return 0;
    case "version":
      process.stdout.write(`${version}\n`);
      return 0;
    case "serve":
      return await serve(invocation, environment);
    case "run":
      return await run(invocation, environment);
    case "doctor":
      return await doctor(invocation, environment);
    case "agent":
      process.stdout.write(`${JSON.stringify(makeAgent(invocation.name))}\n`);
      return 0;
    case "authority":
      process.stdout.write(`${JSON.stringify({ authority: await makeAuthority(invocation.out) })}\n`);
      return 0;
    case "env":
      return await printEnvironment(invocation, environment);
  }
}

/** The line that `serve` prints. */
const servingLine = z.object({
  proxy: z.string().regex(/^http:\/\/[^:@/]+:[^:@/]+@127\.0\.0\.1:\d+$/),
  ca: z.string().min(1),
  bundle: z.string().min(1),
});

async function printEnvironment(
  { config, shell }: Extract<Invocation, { kind: "env" }>,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  const { endpoint, ca, bundle } = readServingLine();
  const { storedSecrets, mappings, extraCaCertificates } =
    config === undefined ? nothingConfigured : await readConfig(config, environment);
  // The bundle holds what the user and the configuration add, beside much else that does no harm there.
  const hasOthers = extraCaCertificates.length > 0 || (environment["NODE_EXTRA_CA_CERTS"] ?? "") !== "";
  const files = { ca, bundle, additions: hasOthers ? bundle : ca };
  process.stdout.write(
    shellCode(terminalEnvironment(endpoint, files, [...storedSecrets, ...mappings], environment), shell),
  );
  return 0;
}

const nothingConfigured = { storedSecrets: [], mappings: [], extraCaCertificates: [] } as const;

function readServingLine(): { endpoint: GatewayEndpoint; ca: string; bundle: string } {
  const mistake = new UsageError(
    "env reads the JSON line of serve from stdin, of a gateway on 127.0.0.1 without TLS (see onecli-gateway env --help)",
  );
  if (process.stdin.isTTY) {
    throw mistake;
  }
  try {
    const { proxy, ca, bundle } = servingLine.parse(JSON.parse(readFileSync(0, "utf8")));
    const url = new URL(proxy);
    const endpoint = {
      // A URL leaves out the port that its scheme implies.
      port: url.port === "" ? 80 : Number(url.port),
      username: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
    };
    return { endpoint, ca, bundle };
  } catch {
    throw mistake;
  }
}
