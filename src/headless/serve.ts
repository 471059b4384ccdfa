import { constants } from "node:os";
import { type Logger } from "../core/ports.ts";
import { proxyUrl } from "../core/terminalEnvironment.ts";
import { type Invocation } from "./commandLine.ts";
import { readConfig } from "./config.ts";
import { startApi } from "./managementApi.ts";
import { startGateway } from "./start.ts";
import { StoredSecretValues } from "./storedSecretValues.ts";
import { readToken } from "./token.ts";

const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Runs a gateway until a signal ends it. */
export async function serve(
  { config: file, token: source }: Extract<Invocation, { kind: "serve" }>,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  // Before anybody listens to signals: waiting for the token blocks, and a signal must end that.
  const token = readToken(source, environment);
  // Listened to before there is a gateway: a signal that comes while it is being built stops it as well.
  const stopped = new Promise<void>((resolve) => {
    let stopping = false;
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (stopping) {
          process.exit(128 + constants.signals[signal]);
        }
        stopping = true;
        resolve();
      });
    }
  });
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read it may have gone; the gateway is still somebody's.
    stream.on("error", () => undefined);
  }
  const config = await readConfig(file, environment);
  const { gateway, files } = await startGateway(
    config,
    token,
    new StoredSecretValues(environment),
    environment,
    stderrLogger(),
  );
  const { endpoint } = gateway;
  const api = await startApi(config, gateway, files.ca, environment).catch(async (error: unknown) => {
    await gateway.stop();
    throw error;
  });
  const { ca, bundle } = files;
  process.stdout.write(
    `${JSON.stringify({ proxy: proxyUrl(endpoint), ca, bundle, ...(api !== undefined && { api: api.served }) })}\n`,
  );
  // Signal listeners do not keep the process alive; the gateway's listener does, until it is stopped.
  await stopped;
  await Promise.all([api?.api.close(), gateway.stop()]);
  return 0;
}

function stderrLogger(): Logger {
  const log =
    (level: string) =>
    (message: string, ...details: unknown[]) => {
      process.stderr.write(`${[level, message, ...details.map(String)].join(" ")}\n`);
    };
  const nothing = () => undefined;
  return { trace: nothing, debug: nothing, info: log("info"), warn: log("warn"), error: log("error") };
}
