import { type Contender, type Running } from "../contenders/contender.ts";
import { type Scenario } from "../scenarios/scenario.ts";
import { Result } from "./results.ts";
import { setApart } from "./cores.ts";
import { type World } from "./world.ts";

export interface Pace {
  /** Of each scenario. */
  readonly rounds: number;
  /** Of each round. */
  readonly seconds: number;
  /** Before the first round. */
  readonly warmUp: number;
  /** Before each round of a scenario that is steady. */
  readonly runUp: number;
}

/**
 * Runs a scenario: all warm up, then each has its turn in every round, so that what else the machine does meets them
 * alike. One that fails is left out from then on, and its failure kept.
 */
export async function runScenario(
  scenario: Scenario,
  contenders: readonly Running[],
  world: World,
  pace: Pace,
): Promise<Result> {
  const mingle = scenario.isApart ? setApart(contenders) : undefined;
  try {
    return await runRounds(scenario, contenders, world, pace);
  } finally {
    mingle?.();
  }
}

async function runRounds(
  scenario: Scenario,
  contenders: readonly Running[],
  world: World,
  { rounds, seconds, warmUp, runUp }: Pace,
): Promise<Result> {
  const result = new Result(scenario);
  const left = new Set(contenders.filter(scenario.suits));
  const each = async (work: (contender: Running) => Promise<void>) => {
    for (const contender of left) {
      try {
        await work(contender);
      } catch (error) {
        result.fail(contender, error);
        left.delete(contender);
      }
    }
  };
  for (const contender of scenario.isFresh ? [] : left) {
    // One that cannot do it shows so in its first round.
    await scenario.measure(contender, world, scenario.warmUp ?? warmUp).catch(() => undefined);
  }
  for (let round = 0; round < rounds; round++) {
    await each(async (contender) => {
      if (scenario.isSteady && runUp > 0) {
        await scenario.measure(contender, world, runUp);
      }
      result.add(contender, await scenario.measure(contender, world, seconds));
    });
  }
  return result;
}

/** Starts what is installed. @returns with it, how the rest is installed */
export async function startAll(
  contenders: readonly Contender[],
  world: World,
): Promise<{ running: Running[]; missing: Map<string, string> }> {
  const running: Running[] = [];
  const missing = new Map<string, string>();
  for (const contender of contenders) {
    const command = await contender.missing?.();
    if (command === undefined) {
      running.push({ ...contender, ...(await contender.start(world)) });
    } else {
      missing.set(contender.name, command);
    }
  }
  return { running, missing };
}
