// One tool: is it there, which version, and how far do its requests come?
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type HostEvidence, type OpenedRun } from "../shared/doctorProtocol.ts";
import { type GatewayClient } from "./gatewayClient.ts";
import { type Cell, type ToolReport } from "../shared/doctorReport.ts";
import { cellsOf, failed, none, ok } from "./report.ts";
import { homeOf, readText, resolveHome } from "./startupFiles.ts";
import { type Environment, findProgram, type Outcome, runToEnd } from "./subprocess.ts";
import { type AgentTool, type CallingTool, type ProbeCommand, type ProbeTarget, type Tool } from "./tools.ts";
import { lastWords } from "./words.ts";

/** Milliseconds. */
export interface ProbeTimes {
  readonly version: number;
  readonly check: number;
  /** For the first check of a tool that compiles before it calls. */
  readonly slowCheck: number;
}

export const defaultTimes: ProbeTimes = { version: 20_000, check: 20_000, slowCheck: 120_000 };

export interface ProbeContext {
  readonly environment: Environment;
  readonly client: GatewayClient;
  readonly run: OpenedRun;
  /** For the files of the probes. */
  readonly folder: string;
  readonly times: ProbeTimes;
  readonly signal: AbortSignal;
}

const nothing: HostEvidence = { connects: 0, http2: 0, requests: 0, arrived: 0, webSockets: 0 };

const absent = none("not on the PATH");

/** @param asked the tool was named by the person: that it is not there is a failure then. */
export async function probe(tool: Tool, asked: boolean, context: ProbeContext): Promise<ToolReport> {
  const found = await lookUp(tool, context);
  if (found.kind === "absent") {
    const { program, reason } = found;
    const fix = `Install ${tool.name}, or put the folder that it is in on the PATH.`;
    const cells = asked ? cellsOf({ proxy: failed(reason, fix) }, absent) : cellsOf({}, none(reason));
    return { name: tool.name, program, version: null, cells };
  }
  const { program, version, output } = found;
  const cells =
    found.kind === "broken"
      ? cellsOf({ proxy: found.cell }, none("it does not run"))
      : tool.kind === "agent"
        ? await agentCells(tool, context)
        : await new Probe(tool, program, output, context).cells();
  return { name: tool.name, program, version, cells };
}

type LookUp =
  | { readonly kind: "absent"; readonly program: null; readonly reason: string }
  | {
      readonly kind: "broken";
      readonly program: string;
      readonly version: null;
      readonly output: string;
      readonly cell: Cell;
    }
  | {
      readonly kind: "found";
      readonly program: string;
      readonly version: string | null;
      readonly output: string;
    };

async function lookUp(tool: Tool, { environment, folder, times, signal }: ProbeContext): Promise<LookUp> {
  let program: string | undefined;
  for (const name of tool.programs) {
    program ??= await findProgram(name, environment);
  }
  if (program === undefined) {
    return { kind: "absent", program: null, reason: `${tool.name} is not on the PATH` };
  }
  const args = tool.kind === "agent" ? ["--version"] : tool.version;
  const outcome = await runToEnd({
    program,
    args,
    env: environment,
    cwd: folder,
    timeout: times.version,
    signal,
  });
  const output = outcome.stdout + outcome.stderr;
  if (outcome.status === 0) {
    return { kind: "found", program, version: versionIn(output), output };
  }
  if (tool.name.startsWith("python-") && !outcome.timedOut) {
    return { kind: "absent", program: null, reason: `the package ${tool.name.slice(7)} is not installed` };
  }
  const command = `${program} ${args.join(" ")}`;
  const cell = outcome.timedOut
    ? failed(
        `${command} did not end within ${times.version / 1000} seconds.`,
        `Run it by hand to see what it waits for.`,
      )
    : failed(
        `${command} fails: ${lastWords(output)}`,
        `Repair or reinstall ${tool.name}, or take ${program} off the PATH.`,
      );
  return { kind: "broken", program, version: null, output, cell };
}

function versionIn(output: string): string | null {
  return /\d+(?:\.\d+)+(?:[\w.+-]*\w)?/.exec(output)?.[0] ?? /\d+/.exec(output)?.[0] ?? null;
}

/** Calls of one tool. Each has a host of its own, so that the gateway tells how far each came. */
class Probe {
  readonly #tool: CallingTool;
  readonly #program: string;
  readonly #versionOutput: string;
  readonly #context: ProbeContext;

  constructor(tool: CallingTool, program: string, versionOutput: string, context: ProbeContext) {
    this.#tool = tool;
    this.#program = program;
    this.#versionOutput = versionOutput;
    this.#context = context;
  }

  async cells(): Promise<ToolReport["cells"]> {
    const { as, unfit } = this.#tool;
    const { outcome, evidence } = await this.#call("request", (target) => this.#tool.request(target));
    const words = this.#wordsOf(outcome);
    if (evidence.connects === 0) {
      if (unfit?.output.test(outcome.stderr) === true) {
        return cellsOf({}, none(unfit.reason));
      }
      const cause = `Its request did not come to the gateway: ${words}`;
      return cellsOf(
        { proxy: failed(cause, this.#tool.fix.proxy) },
        none("its request did not come to the gateway"),
      );
    }
    const proved: Cell = as === undefined ? ok : { state: "ok", as };
    if (evidence.requests === 0) {
      const cause = `It came to the gateway and did not trust its certificate: ${words}`;
      return cellsOf(
        { proxy: proved, ca: failed(cause, this.#tool.fix.ca) },
        none("it does not trust the gateway"),
      );
    }
    const header =
      evidence.arrived > 0
        ? ok
        : failed(
            `The gateway read the request, and the value did not arrive behind it: ${words}`,
            "Restart the gateway. If it stays so, this is a fault of OneCLI: please report it.",
          );
    const rest = {
      sse: await this.#stream(),
      webSocket: await this.#webSocket(),
      h2: this.#h2(outcome, evidence),
    };
    return { proxy: proved, ca: proved, header, ...rest };
  }

  /** The second event is sent when the first is here, so that one that comes late never comes. */
  async #stream(): Promise<Cell> {
    const { stream } = this.#tool;
    if (typeof stream === "string") {
      return none(stream);
    }
    const { client, run } = this.#context;
    let released: Promise<void> | undefined;
    const { outcome } = await this.#call("stream", stream, (stdout, label) => {
      if (released === undefined && stdout.includes("data: first")) {
        released = client.release(run, label).catch(() => undefined);
      }
    });
    await released;
    if (released !== undefined && outcome.stdout.includes("data: second")) {
      return ok;
    }
    const cause =
      released === undefined
        ? `No event came: ${this.#wordsOf(outcome)}`
        : `The first event came and the second did not: ${this.#wordsOf(outcome)}`;
    return failed(
      cause,
      "Update the tool; if it reads a stream as a whole, there is an option against that.",
    );
  }

  async #webSocket(): Promise<Cell> {
    const { webSocket, webSocketAs } = this.#tool;
    const check = typeof webSocket === "string" ? webSocket : webSocket(this.#versionOutput);
    if (typeof check === "string") {
      return none(check);
    }
    const { outcome, evidence } = await this.#call("socket", check);
    const spoke = /echo: over and back|greeting/.test(outcome.stdout);
    if (spoke && evidence.webSockets > 0 && evidence.arrived > 0) {
      return webSocketAs === undefined ? ok : { state: "ok", as: webSocketAs };
    }
    const words = this.#wordsOf(outcome);
    return evidence.connects === 0
      ? failed(
          `Its WebSocket did not come to the gateway: ${words}`,
          `WebSockets of ${this.#tool.name} do not follow the proxy variables: give the program a proxy of its own for them, or use plain HTTPS.`,
        )
      : failed(
          `Its WebSocket came to the gateway and was not opened: ${words}`,
          "Use plain HTTPS requests for mapped hosts instead.",
        );
  }

  #h2({ stdout, stderr }: Outcome, { http2 }: HostEvidence): Cell {
    const { h2 } = this.#tool;
    if (http2 > 0) {
      return ok;
    }
    const unable = typeof h2 === "string" ? h2 : h2.unable?.(this.#versionOutput, stdout + stderr);
    return unable === undefined
      ? failed("It can speak HTTP/2, and agreed with the gateway on HTTP/1.1.", "Update the tool and OneCLI.")
      : none(unable);
  }

  async #call(
    check: string,
    commandFor: (target: ProbeTarget) => ProbeCommand,
    onOutput?: (stdout: string, label: string) => void,
  ): Promise<{ outcome: Outcome; evidence: HostEvidence }> {
    const { client, run, folder, environment, signal, times } = this.#context;
    const label = `${this.#tool.name}-${check}`;
    const host = `${label}.${run.domain}`;
    const { args, env, files = {}, copies = {} } = commandFor({ host, url: `https://${host}` });
    const cwd = await mkdtemp(join(folder, `${label}-`));
    const home = homeOf(environment);
    const copied = await Promise.all(
      Object.entries(copies).map(
        async ([to, from]) => [to, await readText(resolveHome(from, home))] as const,
      ),
    );
    for (const [path, text] of [...Object.entries(files), ...copied]) {
      const file = join(cwd, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    const outcome = await runToEnd({
      program: this.#program,
      args,
      env: { ...environment, ...env },
      cwd,
      // What is compiled at the first check is there for the others.
      timeout: this.#tool.slow === true && check === "request" ? times.slowCheck : times.check,
      signal,
      ...(onOutput !== undefined && { onOutput: (stdout: string) => onOutput(stdout, label) }),
    });
    const { hosts } = await client.evidence(run);
    return { outcome, evidence: hosts[label] ?? nothing };
  }

  #wordsOf({ status, timedOut, stdout, stderr }: Outcome): string {
    const { username, password } = this.#context.client.proxy;
    const credential = Buffer.from(`${username}:${password}`).toString("base64");
    const words = lastWords(stderr.trim() === "" ? stdout : stderr, [password, credential]);
    const end = timedOut ? "it did not end in time and was stopped" : `exit status ${String(status)}`;
    return words === "" ? `${end}.` : `${words} (${end})`;
  }
}

/** An agent is not called; what it reads is looked at. */
async function agentCells(tool: AgentTool, { environment }: ProbeContext): Promise<ToolReport["cells"]> {
  const home = homeOf(environment);
  const overruled: Cell[] = [];
  for (const { file, overrules } of tool.settings) {
    const [what] = overrules(await readText(resolveHome(file, home)));
    if (what !== undefined) {
      overruled.push(
        failed(
          `${file} holds ${what}.`,
          `Take it out of ${file}: it comes before the variables of the terminal.`,
        ),
      );
    }
  }
  const set = (variables: readonly string[]): Cell =>
    variables.some((name) => (environment[name] ?? "") !== "")
      ? { state: "ok", as: "set" }
      : failed(`It reads ${variables.join(" or ")}, and none of them is set.`, "Open a new terminal.");
  return cellsOf(
    { proxy: overruled[0] ?? set(tool.proxy), ca: set(tool.ca) },
    none("it calls its vendor only; what it reads is set, a call was not made"),
  );
}
