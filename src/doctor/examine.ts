import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenedRun } from "../shared/doctorProtocol.ts";
import { version } from "../shared/version.ts";
import {
  checkCaFiles,
  checkClock,
  checkNoProxy,
  checkProxyVariables,
  entriesHidingTheEcho,
} from "./environment.ts";
import { GatewayClient, gatewayOf, GatewayRefusal, type Help, proxyUrls } from "./gatewayClient.ts";
import { entriesOf } from "./noProxy.ts";
import { defaultTimes, probe, type ProbeTimes } from "./probe.ts";
import { type Cell, type Report, type ToolReport } from "../shared/doctorReport.ts";
import { cellsOf, type EnvironmentRow, failed, none, ok } from "./report.ts";
import { homeOf, resolveHome } from "./startupFiles.ts";
import { type Environment } from "./subprocess.ts";
import { type Tool, tools } from "./tools.ts";

/** Probes at the same time: enough to be quick, few enough to leave the machine usable. */
const atOnce = 3;

export interface Examination {
  /** Of the terminal in question. */
  readonly environment: Environment;
  /** Names of tools; all that are found where it is empty. */
  readonly only: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress?: (tool: string) => void;
  readonly times?: ProbeTimes;
}

/** Looks at the variables of a terminal and at every tool in it. Throws only where `signal` was aborted. */
export async function examine(examination: Examination): Promise<Report> {
  const { environment, only } = examination;
  const chosen = only.length === 0 ? tools : tools.filter(({ name }) => only.includes(name));
  const access = await reach(environment);
  const rows: EnvironmentRow[] = [{ name: "gateway", cell: access.cell }];
  rows.push(...(await checkProxyVariables(environment, access.url)));
  let reports: ToolReport[];
  if (access.client === undefined) {
    const reason = "not tried: the gateway cannot be asked for an echo";
    reports = chosen.map(({ name }) => ({
      name,
      program: null,
      version: null,
      cells: cellsOf({}, none(reason)),
    }));
  } else {
    const mapped = access.help.mappings.filter(({ enabled }) => enabled).map(({ host }) => host);
    rows.push(...(await checkNoProxy(environment, mapped)));
    const opened = await access.client.open();
    try {
      rows.push(...(await checkCaFiles(environment, opened.ca)));
      rows.push(await checkClock(access.client.proxy, `clock.${opened.domain}`, opened.ca));
      reports = await probeAll(chosen, access.client, opened, examination);
    } finally {
      await access.client.close(opened).catch(() => undefined);
    }
  }
  examination.signal.throwIfAborted();
  const cells = [
    ...rows.map(({ cell }) => cell),
    ...reports.flatMap((report) => Object.values(report.cells)),
  ];
  const problems = cells.filter(({ state }) => state === "failed").length;
  return {
    product: "OneCLI Doctor",
    version,
    ok: problems === 0,
    problems,
    environment: rows,
    tools: reports,
    notes: await notesFor(environment, reports),
  };
}

type Access =
  | { readonly client: GatewayClient; readonly help: Help; readonly url: string; readonly cell: Cell }
  | { readonly client: undefined; readonly url: string | undefined; readonly cell: Cell };

/** The gateway, by whichever variable still leads to it. */
async function reach(environment: Environment): Promise<Access> {
  const urls = proxyUrls(environment);
  const [first] = urls;
  if (first === undefined) {
    const cause =
      gatewayOf(environment) === undefined
        ? "This terminal has no gateway."
        : `No variable leads to the gateway at ${gatewayOf(environment) ?? ""} any more.`;
    return { client: undefined, url: undefined, cell: failed(cause, "Open a new terminal.") };
  }
  let cell: Cell = ok;
  for (const url of urls) {
    const client = new GatewayClient(url);
    try {
      return { client, help: await client.help(), url, cell: ok };
    } catch (error) {
      cell = failureOf(error, client);
    }
  }
  return { client: undefined, url: first, cell };
}

function failureOf(error: unknown, { proxy }: GatewayClient): Cell {
  if (error instanceof GatewayRefusal) {
    return error.status === 407
      ? failed(
          "The gateway refuses the user name or password of this terminal (407).",
          "Open a new terminal: this one has the password of another gateway.",
        )
      : failed(
          `What listens at ${proxy.host} is not this version's gateway (${error.status}).`,
          "Open a new terminal; if it stays so, update OneCLI.",
        );
  }
  const { code, name } = error as NodeJS.ErrnoException;
  return failed(
    `Nobody answers at ${proxy.host} (${code ?? name}).`,
    "Restart the gateway (OneCLI: Restart Gateway, or start onecli-gateway again), then open a new terminal.",
  );
}

async function probeAll(
  chosen: readonly Tool[],
  client: GatewayClient,
  run: OpenedRun,
  { environment, only, signal, onProgress, times = defaultTimes }: Examination,
): Promise<ToolReport[]> {
  const folder = await mkdtemp(join(tmpdir(), "onecli-doctor-"));
  const context = { environment: probeEnvironment(environment), client, run, folder, times, signal };
  const reports = new Map<Tool, ToolReport>();
  const waiting = [...chosen];
  const work = async () => {
    for (let tool = waiting.shift(); tool !== undefined && !signal.aborted; tool = waiting.shift()) {
      onProgress?.(tool.name);
      reports.set(tool, await probe(tool, only.includes(tool.name), context));
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, work));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  return chosen.flatMap((tool) => reports.get(tool) ?? []);
}

/** As the terminal's, but for what would keep the probes of an otherwise right environment from the echo. */
function probeEnvironment(environment: Environment): Environment {
  const changed: Record<string, string | undefined> = { ...environment, ELECTRON_RUN_AS_NODE: undefined };
  for (const name of ["NO_PROXY", "no_proxy"]) {
    const value = environment[name];
    if (value !== undefined) {
      const hiding = entriesHidingTheEcho(value);
      changed[name] = entriesOf(value)
        .filter((entry) => !hiding.includes(entry))
        .join(",");
    }
  }
  return changed;
}

async function notesFor(environment: Environment, reports: readonly ToolReport[]): Promise<string[]> {
  const notes: string[] = [];
  const isThere = (name: string) => reports.some((report) => report.name === name && report.program !== null);
  for (const tool of tools) {
    if (tool.kind === "calling" && tool.note !== undefined && isThere(tool.name)) {
      notes.push(tool.note);
    }
  }
  if (isThere("gh") && (await exists(resolveHome("~/.config/gh/hosts.yml", homeOf(environment))))) {
    notes.push(
      "gh has a login of its own (~/.config/gh/hosts.yml). If api.github.com is mapped, the gateway replaces that token by the mapped one; otherwise gh goes on using it.",
    );
  }
  const hiding = entriesHidingTheEcho(environment["NO_PROXY"] ?? environment["no_proxy"] ?? "");
  if (hiding.length > 0) {
    notes.push(
      `NO_PROXY holds ${hiding.map((entry) => JSON.stringify(entry)).join(", ")}, which hides http://onecli.internal/ from agents. It covers no mapped host, and was left out for these probes.`,
    );
  }
  if (reports.some(({ program, cells }) => program !== null && isSet(cells.proxy))) {
    notes.push(
      "set: an agent calls its vendor and nobody else, so it was not called. It starts, the variables that it reads are right, and no setting of its own comes before them.",
    );
  }
  notes.push(
    "MCP servers that an agent starts (stdio) get only HOME, LOGNAME, PATH, SHELL, TERM and USER from most clients, and so neither proxy nor CA: give them the variables in the agent's MCP settings (env). Agents in panels of the editor are not children of a terminal and get none of this either.",
  );
  return notes;
}

function isSet(cell: Cell): boolean {
  return cell.state === "ok" && cell.as === "set";
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
