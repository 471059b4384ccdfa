// Real programs call three vendors' names through the gateway and never hold a key.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMappings } from "../../src/core/mapping.ts";
import { terminalEnvironment } from "../../src/core/terminalEnvironment.ts";
import { GatewayThread } from "../support/gatewayThread.ts";
import { type Agent, agents, runAgent } from "./agents.ts";
import { printTable } from "./table.ts";
import { shorten, startWorld, type World } from "./world.ts";

interface Row {
  readonly agent: string;
  readonly had: string;
  readonly received: string;
  readonly cache: string;
  readonly time: string;
  readonly problem?: string;
}

/** Runs the agents in a world of their own and prints what they had and what arrived. True if every row is true. */
export async function prove(): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), "onecli-demo-"));
  const world = await startWorld();
  const thread = new GatewayThread();
  try {
    const { endpoint, files } = await thread.start({
      mappings: world.mappings,
      dataDir,
      parentProxy: world.parent.url,
      extraCaCertificates: [world.authority],
      port: 0,
    });
    const { account, vaults } = await thread.connect(world.service.token);
    console.log(`Connected to 1Password: ${account}, ${vaults} vaults, through the real SDK.`);
    world.service.clearRequests();

    const { mappings } = parseMappings(world.mappings);
    const { set, unset } = terminalEnvironment(endpoint, files, mappings, {});
    const env: NodeJS.ProcessEnv = { ...process.env, ...set };
    for (const name of unset) {
      Reflect.deleteProperty(env, name);
    }
    const rows: Row[] = [];
    for (const agent of agents(world.secrets)) {
      rows.push(await proveRow(agent, env, world, thread));
    }
    printTable(
      ["agent", "what it had", "what the upstream received", "1Password", "time to answer"],
      rows.map(({ agent, had, received, cache, time, problem }) => [
        problem === undefined ? `✔ ${agent}` : `✘ ${agent}`,
        had,
        received,
        cache,
        time,
      ]),
    );
    const reads = world.service.countReads();
    const hits = thread.activity.filter(({ cacheHit }) => cacheHit === true).length;
    console.log(`${hits} cache hits; ${reads} requests to 1Password after the sign-in.`);
    for (const { agent, problem } of rows) {
      if (problem !== undefined) {
        console.error(`✘ ${agent}: ${problem}`);
      }
    }
    const isProved = rows.every(({ problem }) => problem === undefined);
    if (isProved) {
      console.log("Every request arrived with a secret that its agent never had.");
    }
    return isProved;
  } finally {
    await thread.stop();
    await world.stop();
    await rm(dataDir, { recursive: true });
  }
}

async function proveRow(
  agent: Agent,
  env: NodeJS.ProcessEnv,
  world: World,
  thread: GatewayThread,
): Promise<Row> {
  const before = thread.activity.length;
  world.upstream.received.length = 0;
  const run = await runAgent(agent, env);
  const had = agent.variable === undefined ? "no key" : shorten(env[agent.variable] ?? "no key");
  if (run === undefined) {
    return { agent: agent.name, had, received: "(not on this machine)", cache: "", time: "" };
  }
  const record = (await thread.records(before + 1))[before]!;
  const request = world.upstream.received.at(-1);
  const values = Object.values(world.secrets);
  const { expects } = agent;
  const received = expects === undefined ? undefined : request?.headers[expects.header];
  const problems = [
    [run.status !== 0, `it ended with status ${String(run.status)}: ${run.output}`],
    [!agent.output.test(run.output), `unexpected output: ${run.output}`],
    [request?.headers.host !== agent.host, `the upstream saw ${request?.headers.host ?? "no request"}`],
    [expects !== undefined && received !== expects.value, "the upstream did not get the real secret"],
    [expects === undefined && record.kind !== "tunnel", "the gateway looked into the connection"],
    [
      values.some((value) => run.output.includes(value) || JSON.stringify(env).includes(value)),
      "the agent got to see a secret",
    ],
  ] as const;
  const [, problem] = problems.find(([isTrue]) => isTrue) ?? [];
  return {
    agent: agent.name,
    had,
    received:
      expects === undefined
        ? "nothing added: a blind tunnel"
        : `${expects.header}: ${typeof received === "string" ? shorten(received) : "nothing"}`,
    cache: record.kind === "tunnel" ? "not asked" : record.cacheHit === true ? "cache hit" : "read",
    time: `${record.headMs.toFixed(1)} ms`,
    ...(problem !== undefined && { problem }),
  };
}
