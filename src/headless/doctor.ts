import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { terminalEnvironment, tokenVariable } from "../core/terminalEnvironment.ts";
import { examine } from "../doctor/examine.ts";
import { gatewayOf } from "../doctor/gatewayClient.ts";
import { type Report } from "../shared/doctorReport.ts";
import { formatReport } from "../doctor/table.ts";
import { type Invocation } from "./commandLine.ts";
import { type Config, readConfig } from "./config.ts";
import { UsageError } from "./usageError.ts";
import { onLoopback } from "./listen.ts";
import { logSettings } from "./log.ts";
import { silentLogger } from "./run.ts";
import { startGateway } from "./start.ts";
import { StoredSecretValues } from "./storedSecretValues.ts";

const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Examines the environment that it runs in; without a gateway around, that of a gateway of its own. */
export async function doctor(
  invocation: Extract<Invocation, { kind: "doctor" }>,
  surroundings: NodeJS.ProcessEnv,
): Promise<number> {
  const stopped = new AbortController();
  let stopStatus = 0;
  for (const signal of stopSignals) {
    process.on(signal, () => {
      stopStatus = 128 + constants.signals[signal];
      stopped.abort();
    });
  }
  const environment = { ...surroundings };
  // Of no use to a probe, and a secret.
  Reflect.deleteProperty(environment, tokenVariable);
  const own =
    gatewayOf(environment) === undefined ? await startOwnGateway(invocation.config, environment) : undefined;
  try {
    const report = await examine({
      environment: own?.environment ?? environment,
      only: invocation.tools,
      signal: stopped.signal,
      ...(process.stderr.isTTY && !invocation.json && { onProgress: showProgress }),
    });
    clearProgress();
    process.stdout.write(
      invocation.json
        ? `${JSON.stringify(report, undefined, 2)}\n`
        : formatReport(report, {
            colour: process.stdout.isTTY && (environment["NO_COLOR"] ?? "") === "",
            width: Math.min(process.stdout.isTTY ? process.stdout.columns : 100, 120),
          }),
    );
    if (invocation.report !== undefined) {
      await writeReport(invocation.report, report);
    }
    return report.ok ? 0 : 1;
  } catch (error) {
    if (stopped.signal.aborted) {
      return stopStatus;
    }
    throw error;
  } finally {
    await own?.stop();
  }
}

/** Whoever waits for the file finds it whole. @throws UsageError */
async function writeReport(file: string, report: Report): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(report)}\n`);
    await rename(temporary, file);
  } catch (error) {
    const { code = "unknown fault" } = error as NodeJS.ErrnoException;
    throw new UsageError(`--report: ${file} cannot be written (${code})`);
  }
}

/** As `run` has one, but without an account: no mapping is used. */
async function startOwnGateway(file: string | undefined, environment: NodeJS.ProcessEnv) {
  const folder = await mkdtemp(join(tmpdir(), "onecli-doctor-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const config: Config =
      file === undefined
        ? {
            file: "doctor",
            mappings: [],
            storedSecrets: [],
            parentProxy: undefined,
            parentProxySource: "parentProxy",
            noProxy: [],
            extraCaCertificates: [],
            listen: onLoopback(0),
            agents: [],
            authority: undefined,
            log: logSettings(),
            stopDelay: 0,
            dataDir: folder,
            api: undefined,
          }
        : // The port may be that of a gateway that runs.
          { ...(await readConfig(file, environment)), listen: onLoopback(0), agents: [] };
    const { gateway, files } = await startGateway(
      { ...config, storedSecrets: [] },
      undefined,
      new StoredSecretValues(environment),
      environment,
      silentLogger,
    );
    const { set, unset } = terminalEnvironment(
      gateway.endpoint,
      files,
      [...config.storedSecrets, ...config.mappings],
      environment,
    );
    const removed = Object.fromEntries(unset.map((name) => [name, undefined]));
    return {
      environment: { ...environment, ...removed, ...set },
      stop: async () => {
        await gateway.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function showProgress(tool: string): void {
  process.stderr.write(`\r\u001b[KLooking at ${tool} …`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) {
    process.stderr.write("\r\u001b[K");
  }
}
