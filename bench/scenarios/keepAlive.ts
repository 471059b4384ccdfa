import { runThrough } from "../support/loadTools.ts";
import { ours } from "../contenders/ours.ts";
import { type Running } from "../contenders/contender.ts";
import { type World } from "../support/world.ts";
import { costOf, type Figures, micros, type Scenario } from "./scenario.ts";

/** Requests on connections that stay open, one after the other on each. */
export function keepAlive(connections: number): Scenario {
  return {
    id: `keep-alive-${connections}`,
    title: `HTTP/1.1, ${connections} ${connections === 1 ? "connection" : "connections"}`,
    metrics: {
      cpu: { title: "CPU per request", ...micros },
      perSecond: { title: "requests/s", unit: "", better: "higher" },
      p50: { title: "p50", ...micros },
      p99: { title: "p99", ...micros },
    },
    suits: ({ tunnelsOnly }) => tunnelsOnly !== true,
    isSteady: true,
    measure: (contender, world, seconds) =>
      figuresOf(contender, world, connections, seconds, `${world.origins.http1}/`),
  };
}

/** The same to a host that no secret belongs to. */
export const unmapped: Scenario = {
  ...keepAlive(32),
  id: "tunnel",
  title: "Tunnel to an unmapped host, 32 connections",
  suits: ({ name, tunnelsOnly }) => tunnelsOnly === true || name === ours.name,
  measure: (contender, world, seconds) =>
    figuresOf(contender, world, 32, seconds, `${world.origins.unmapped}/`),
};

async function figuresOf(...load: Load): Promise<Figures> {
  const { requests, cpu, output } = await requestsFor(...load);
  return {
    cpu: (cpu / requests) * 1e6,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]),
    p50: microsOf(/^\s+50%\s+(\S+)/m.exec(output)?.[1]),
    p99: microsOf(/^\s+99%\s+(\S+)/m.exec(output)?.[1]),
  };
}

type Load = [contender: Running, world: World, connections: number, seconds: number, url: string];

/** Has wrk ask for a URL all the time. @returns what it says, and the proxy's seconds of CPU */
export async function requestsFor(
  ...[contender, world, connections, seconds, url]: Load
): Promise<{ requests: number; cpu: number; output: string }> {
  const args = ["wrk", "--latency", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", url];
  const { result: output, cpu } = await costOf(contender, () => runThrough(contender, world, args));
  const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
  if (requests === 0 || /Non-2xx|Socket errors/.test(output)) {
    throw new Error(`wrk was not answered as it should be: ${output}`);
  }
  return { requests, cpu, output };
}

const unitsInMicros: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 6e7 };

/** "1.23ms" in microseconds. */
function microsOf(text = ""): number {
  const [, value, unit = ""] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(value) * (unitsInMicros[unit] ?? Number.NaN);
}
