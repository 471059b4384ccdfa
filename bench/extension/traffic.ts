// Requests through the gateway: what they, and the dashboard that shows them, cost the main thread.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Program } from "../../test/support/program.ts";
import { projectRoot } from "../../test/support/vscode/paths.ts";
import { type Editor, mappedHost } from "./editor.ts";
import { type Finding } from "./findings.ts";
import { type Plan, rate } from "./plan.ts";
import { type Figures } from "./protocol.ts";

/** Milliseconds until requests flow evenly. */
const warmUp = 1_000;

interface Look {
  /** Without and with a timer that looks for blocks. */
  readonly plain: Figures;
  readonly watched: Figures;
  readonly requestsPerSecond: number;
}

async function look({ probe, world }: Editor, period: number): Promise<Look> {
  const before = world.upstream.received.length;
  const plain = await probe.measure(() => delay(period), { blocks: false });
  const requestsPerSecond = (world.upstream.received.length - before) / (plain.period / 1000);
  const watched = await probe.measure(() => delay(period), { blocks: true });
  return { plain, watched, requestsPerSecond };
}

/** Requests of another process, for so many milliseconds. */
async function storm(env: NodeJS.ProcessEnv, time: number): Promise<void> {
  const program = join(projectRoot, "test/support/storm.ts");
  const args = [program, mappedHost, String((rate * time) / 1000), String(rate)];
  const { status, stderr } = await new Program(process.execPath, args, { env }).ended;
  if (status !== 0) {
    throw new Error(`the requests failed: ${stderr}`);
  }
}

/** The same while requests flow. */
async function lookAtTraffic(editor: Editor, env: NodeJS.ProcessEnv, period: number): Promise<Look> {
  const flowing = storm(env, 2 * period + 2 * warmUp);
  await delay(warmUp);
  const seen = await look(editor, period);
  await flowing;
  editor.world.upstream.received.length = 0;
  return seen;
}

export async function measureTraffic(
  editor: Editor,
  env: NodeJS.ProcessEnv,
  { trafficRounds, trafficPeriod }: Plan,
): Promise<Finding[]> {
  const idle: Look[] = [];
  const hidden: Look[] = [];
  const shown: Look[] = [];
  await editor.openEditors();
  // The first request reads the secret; those that wait for it would be made up for later.
  await storm(env, 100);
  for (let round = 1; round <= trafficRounds; round++) {
    idle.push(await look(editor, trafficPeriod));
    const lookAt = () => lookAtTraffic(editor, env, trafficPeriod);
    hidden.push(await editor.profile("traffic, dashboard hidden", lookAt));
    await editor.showDashboard();
    shown.push(await editor.profile("traffic, dashboard shown", lookAt));
    await editor.hideDashboard();
  }
  const share = (looks: readonly Look[]) => looks.map(({ plain }) => (100 * plain.cpu) / plain.period);
  const busy = (looks: readonly Look[]) => looks.map(({ plain }) => (100 * plain.busy) / plain.period);
  const block = (looks: readonly Look[]) => looks.map(({ watched }) => watched.longestWork);
  const at = `At ${rate} requests/s`;
  return [
    {
      what: `${at}, dashboard hidden: share of CPU`,
      unit: "%",
      values: share(hidden),
      baselines: share(idle),
    },
    {
      what: `${at}, dashboard hidden: event loop busy`,
      unit: "%",
      values: busy(hidden),
      baselines: busy(idle),
    },
    {
      what: `${at}, dashboard hidden: longest block, CPU time`,
      unit: "ms",
      values: block(hidden),
      baselines: block(idle),
    },
    {
      what: `${at}, dashboard shown: share of CPU (beside: hidden)`,
      unit: "%",
      values: share(shown),
      baselines: share(hidden),
      judged: "difference",
      target: 2,
    },
    {
      what: `${at}, dashboard shown: event loop busy (beside: hidden)`,
      unit: "%",
      values: busy(shown),
      baselines: busy(hidden),
    },
    {
      what: `${at}, dashboard shown: longest block, CPU time (beside: hidden)`,
      unit: "ms",
      values: block(shown),
      baselines: block(hidden),
    },
    {
      what: "Requests that came through (beside: hidden)",
      unit: "/s",
      values: shown.map(({ requestsPerSecond }) => requestsPerSecond),
      baselines: hidden.map(({ requestsPerSecond }) => requestsPerSecond),
    },
  ];
}
