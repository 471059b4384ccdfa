// npm run bench: our gateway beside its peers and the least that Node can do, in one run. --quick takes a minute;
// --only ID,ID runs those scenarios; --no-growth leaves out how cost grows. Figures are for comparing within a run.
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Running } from "./contenders/contender.ts";
import { ours } from "./contenders/ours.ts";
import {
  direct,
  httpMitmProxy,
  lowerBound,
  mitmproxy,
  mockttp,
  proxyChain,
  squid,
} from "./contenders/peers.ts";
import { count } from "./scenarios/counts.ts";
import { type Growth, growths } from "./scenarios/growth.ts";
import { http2 } from "./scenarios/http2.ts";
import { keepAlive, unmapped } from "./scenarios/keepAlive.ts";
import { newConnection } from "./scenarios/newConnection.ts";
import { type Scenario } from "./scenarios/scenario.ts";
import { events, webSockets } from "./scenarios/streams.ts";
import { download, upload } from "./scenarios/transfer.ts";
import { barChart, lineChart } from "./support/chart.ts";
import { missingTools } from "./support/loadTools.ts";
import { markdownTable } from "./support/markdownTable.ts";
import { digits, tableOf, tableOfTargets } from "./support/report.ts";
import { writePicture } from "./support/picture.ts";
import { type Result } from "./support/results.ts";
import { type Pace, runScenario, startAll } from "./support/run.ts";
import { targetsOf } from "./support/targets.ts";
import { startWorld, type World } from "./support/world.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    "no-growth": { type: "boolean", default: false },
  },
});
const { quick } = options;
const folder = fileURLToPath(new URL("results", import.meta.url));

const contenders = [direct, lowerBound, ours, proxyChain, squid, mitmproxy, mockttp, httpMitmProxy];
const large = quick ? 100_000_000 : 1_000_000_000;
const first = { ...keepAlive(32), warmUp: quick ? 2 : 12 };
const short = [first, { ...keepAlive(1), isApart: true }, unmapped, newConnection, download(large)];
const all = [...short, upload(large), download(large, "http2"), http2, webSockets, events];
const wanted = options.only?.split(",");
const scenarios: readonly Scenario[] =
  wanted === undefined ? (quick ? short : all) : all.filter(({ id }) => wanted.includes(id));
const pace: Pace = quick
  ? { rounds: 1, seconds: 1, warmUp: 1, runUp: 0 }
  : { rounds: 3, seconds: 3, warmUp: 3, runUp: 2 };

const missing = await missingTools();
if (missing.length > 0) {
  console.error(`What makes the load is missing: apt-get install ${missing.join(" ")}`);
  process.exit(1);
}
const world = await startWorld();
try {
  await bench(world);
} finally {
  await world.stop();
}

async function bench(world: World): Promise<void> {
  const { running, missing } = await startAll(contenders, world);
  for (const [name, command] of missing) {
    console.log(`${name} is left out: it is installed by "${command}".`);
  }
  const results: Result[] = [];
  for (const scenario of scenarios) {
    const taking = scenario.isFresh ? (await startAll(running, world)).running : running;
    const result = await runScenario(scenario, taking, world, pace);
    results.push(result);
    console.log(`\n${tableOf(result)}`);
  }
  const counts = await count(world);
  const targets = tableOfTargets(targetsOf(results, counts));
  console.log(`\n### Targets\n\n${targets}`);
  const grown = options["no-growth"] || quick ? [] : await grow(world, running);
  if (options.only === undefined && !quick && !options["no-growth"]) {
    await write(results, { counts, targets, grown, missing });
  }
}

type Grown = { readonly growth: Growth; readonly results: readonly Result[] };

async function grow(world: World, running: readonly Running[]): Promise<Grown[]> {
  const grown: Grown[] = [];
  for (const growth of growths) {
    const results: Result[] = [];
    for (const { scenario, contenders } of growth.steps) {
      // Those that run already are taken as they are.
      const own = await startAll(
        contenders.filter((wanted) => !running.some(({ start }) => start === wanted.start)),
        world,
      );
      const shared = running.filter(({ start }) => contenders.some((wanted) => wanted.start === start));
      results.push(
        await runScenario(scenario, [...shared, ...own.running], world, {
          rounds: 3,
          seconds: 1,
          warmUp: 1,
          runUp: 0,
        }),
      );
    }
    grown.push({ growth, results });
    console.log(`\n### ${growth.title}\n\n${growthTable({ growth, results })}`);
  }
  return grown;
}

function growthTable({ growth, results }: Grown): string {
  const columns = [ours.name, lowerBound.name]
    .filter((name) => results.some(({ names }) => names.includes(name)))
    .flatMap((name) => growth.metrics.map((metric) => ({ name, metric })));
  const titleOf = (metric: string) => {
    const { title = metric, unit = "" } = growth.steps[0]?.scenario.metrics[metric] ?? {};
    return unit === "" ? title : `${title}, ${unit}`;
  };
  return markdownTable(
    [growth.title, ...columns.map(({ name, metric }) => `${name}: ${titleOf(metric)}`)],
    growth.steps.map(({ title }, index) => [
      title,
      ...columns.map(({ name, metric }) => digits(results[index]?.figure(name, metric) ?? Number.NaN)),
    ]),
  );
}

async function write(
  results: readonly Result[],
  {
    counts,
    targets,
    grown,
    missing,
  }: { counts: unknown; targets: string; grown: readonly Grown[]; missing: ReadonlyMap<string, string> },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const about = {
    at: new Date().toISOString().slice(0, 10),
    node: process.version,
    cores: cpus().length,
    ...pace,
    missing: Object.fromEntries(missing),
  };
  const all = {
    about,
    results,
    counts,
    growths: grown.map(({ growth, results }) => ({ title: growth.title, results })),
  };
  await writeFile(join(folder, "gateway.json"), `${JSON.stringify(all, undefined, 1)}\n`);
  await writeFile(
    join(folder, "gateway.md"),
    `# The gateway beside its peers

Measured ${about.at} on ${about.cores} cores with Node ${about.node.slice(1)}, by \`npm run bench\`: the median of ${pace.rounds}
rounds, in which each had its turn; where connections stay open, after ${pace.runUp} seconds of the same load; with one
connection, on a core of its own. Authentication, cache, injection and activity are on. Figures are for comparing within the run.

## Targets

${targets}

## Figures

${results.map(tableOf).join("\n\n")}

## How cost grows

${grown.map((one) => `### ${one.growth.title}\n\n${growthTable(one)}`).join("\n\n")}
`,
  );
  const requests = chartOfRequests(results);
  await writeFile(join(folder, "requests.svg"), requests);
  await writePicture(requests, join(folder, "requests.png"));
  for (const { growth, results } of grown) {
    const name = growth.title.toLowerCase().replaceAll(/\W+/g, "-");
    await writeFile(join(folder, `growth-${name}.svg`), chartOfGrowth({ growth, results }));
  }
}

/** Requests for a second of CPU: more is better, and the least that Node can do is the longest. */
function chartOfRequests(results: readonly Result[]): string {
  const result = results.find(({ scenario }) => scenario.id === "keep-alive-32");
  const bars = (result?.names ?? [])
    .filter((name) => name !== direct.name)
    .map((name) => ({
      label: name,
      isOurs: name === ours.name,
      value: 1e6 / (result?.figure(name, "cpu") ?? Number.NaN),
    }))
    .sort((a, b) => b.value - a.value)
    .map((bar) => ({ ...bar, text: digits(bar.value) }));
  return barChart(
    "Intercepted requests for each second of CPU",
    "32 connections that stay open, answers of 200 bytes, TLS on both sides; more is better",
    bars,
  );
}

function chartOfGrowth({ growth, results }: Grown): string {
  const metric = "cpu";
  const { title = "", unit = "" } = growth.steps[0]?.scenario.metrics[metric] ?? {};
  const lines = [ours.name, lowerBound.name]
    .filter((name) => results.some(({ names }) => names.includes(name)))
    .map((name) => ({
      label: name,
      isOurs: name === ours.name,
      points: growth.steps.map((step, index) => {
        const value = results[index]?.figure(name, metric) ?? Number.NaN;
        return { label: step.title, value, text: digits(value) };
      }),
    }));
  return lineChart(`${growth.title}: ${title}, ${unit}`, "both axes in steps of ten; less is better", lines);
}
