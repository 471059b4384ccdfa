import { runThrough } from "../support/loadTools.ts";
import { costOf, micros, type Scenario } from "./scenario.ts";

/** HTTP/2 on both sides, where the proxy speaks it to the server as well. */
export const http2: Scenario = {
  id: "http2",
  title: "HTTP/2, 8 connections of 10 streams",
  metrics: {
    cpu: { title: "CPU per request", ...micros },
    perSecond: { title: "requests/s", unit: "", better: "higher" },
    mean: { title: "mean", ...micros },
  },
  suits: ({ http2 = false }) => http2,
  isSteady: true,
  measure: async (contender, world, seconds) => {
    const { result, cpu } = await costOf(contender, () =>
      runThrough(contender, world, [
        "h2load",
        "--clients=8",
        "--max-concurrent-streams=10",
        `--duration=${seconds}`,
        `${world.origins.http2}/`,
      ]),
    );
    const succeeded = Number(/(\d+) succeeded, 0 failed/.exec(result)?.[1] ?? 0);
    const [, mean = "", unit = ""] = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/.exec(result) ?? [];
    if (succeeded === 0 || /[1-9]\d* (3xx|4xx|5xx)/.test(result)) {
      throw new Error(`h2load was not answered as it should be: ${result}`);
    }
    return {
      cpu: (cpu / succeeded) * 1e6,
      perSecond: Number(/, ([\d.]+) req\/s/.exec(result)?.[1]),
      mean: Number(mean) * { us: 1, ms: 1e3, s: 1e6 }[unit as "us" | "ms" | "s"],
    };
  },
};
