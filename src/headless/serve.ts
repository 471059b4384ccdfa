import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { type Invocation } from "./commandLine.ts";
import { readConfig } from "./config.ts";
import { startApi } from "./managementApi.ts";
import { listenUrl } from "./listen.ts";
import { ServeLog } from "./log.ts";
import { pages } from "./pages.ts";
import { LiveConfig } from "./reload.ts";
import { startGateway } from "./start.ts";
import { StoredSecretValues } from "./storedSecretValues.ts";
import { readToken } from "./token.ts";
import { ReadFiles, watchFiles } from "./watchedFiles.ts";

const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Runs a gateway until a signal ends it. */
export async function serve(
  { config: file, token: source }: Extract<Invocation, { kind: "serve" }>,
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  // Before anybody listens to signals: waiting for the token blocks, and a signal must end that.
  const files = new ReadFiles();
  const token = readToken(source, environment, files);
  let stopping = false;
  // Listened to before there is a gateway: a signal that comes while it is being built stops it as well.
  const stopped = new Promise<void>((resolve) => {
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
  const config = await readConfig(file, environment, files.read);
  const logger = new ServeLog(config.log);
  const values = new StoredSecretValues(environment, files.read);
  // Loaded late: most gateways run without the API, on whose port the metrics are.
  const metrics = config.api && new (await import("./metrics.ts")).Metrics();
  const { gateway, files: trust } = await startGateway(
    config,
    token,
    values,
    environment,
    logger,
    (outcome) => metrics?.questioned(outcome),
  );
  gateway.activity.subscribe((record) => logger.access(record));
  const live = new LiveConfig(config, token, files, {
    gateway,
    values,
    useToken: (replaced) => void gateway.replace(gateway.newAccount(replaced)),
    useIdentity: (identity) => {
      gateway.setIdentity(identity);
      api?.api.setIdentity(identity);
    },
    useLog: (settings) => (logger.settings = settings),
    logger,
    environment,
    token: source,
  });
  metrics?.follow(gateway, live);
  const api = await startApi(config, gateway, trust.ca, environment, {
    ...(metrics !== undefined && { pages: pages({ gateway, isStopping: () => stopping, metrics }) }),
  }).catch(async (error: unknown) => {
    await gateway.stop();
    throw error;
  });
  const endWatching = watchFiles(files, () => live.reload());
  const line = {
    proxy: listenUrl(config.listen, gateway.endpoint),
    ca: trust.ca,
    bundle: trust.bundle,
    ...(api !== undefined && { api: api.served }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  // Signal listeners do not keep the process alive; the gateway's listener does, until it is stopped.
  await stopped;
  const { stopDelay } = live.config;
  if (stopDelay > 0) {
    logger.info(`stopping in ${stopDelay} seconds; until then requests are taken`);
    await delay(stopDelay * 1000);
  }
  endWatching();
  // The probes answer to the end.
  await gateway.stop();
  await api?.api.close();
  return 0;
}
