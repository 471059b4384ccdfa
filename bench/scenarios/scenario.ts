import { type Contender, type Running } from "../contenders/contender.ts";
import { cpuSeconds } from "../../test/support/processTree.ts";
import { type World } from "../support/world.ts";

export interface Metric {
  readonly title: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** What stands for all rounds, where that is not the median: memory is taken once and kept. */
  readonly of?: "max";
}

/** One kind of load, and what is measured under it. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly suits: (contender: Contender) => boolean;
  /** Seconds of warm-up, where it is not the usual. V8 goes on compiling for some hundred thousand requests. */
  readonly warmUp?: number;
  /** In processes started for it, not warmed up: what a process has once held it keeps, and the next to need it finds it. */
  readonly isFresh?: boolean;
  /** What counts is load that goes on: one that has slept has given memory back, and its connections have closed. */
  readonly isSteady?: boolean;
  /** What counts is how long each step takes: proxies have a core of their own. */
  readonly isApart?: boolean;
  /** One round of about so many seconds. @returns a figure for each metric */
  readonly measure: (contender: Running, world: World, seconds: number) => Promise<Figures>;
}

export type Figures = Readonly<Record<string, number>>;

/** Seconds of CPU that a proxy used meanwhile; NaN where there is none. */
export async function costOf<T>(
  { pid }: Running,
  work: () => Promise<T>,
): Promise<{ result: T; cpu: number }> {
  const used = () => (pid === undefined ? Number.NaN : cpuSeconds(pid));
  const before = used();
  const result = await work();
  return { result, cpu: used() - before };
}

export const micros = { unit: "µs", better: "lower" } as const;
export const millis = { unit: "ms", better: "lower" } as const;
