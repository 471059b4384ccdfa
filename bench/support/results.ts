import { type Contender } from "../contenders/contender.ts";
import { type Figures, type Scenario } from "../scenarios/scenario.ts";
import { median } from "./statistics.ts";

/** What the rounds of a scenario have shown. */
export class Result {
  readonly scenario: Scenario;
  readonly #rounds = new Map<string, Figures[]>();
  readonly #failures = new Map<string, string>();

  constructor(scenario: Scenario) {
    this.scenario = scenario;
  }

  add({ name }: Contender, figures: Figures): void {
    const rounds = this.#rounds.get(name) ?? [];
    rounds.push(figures);
    this.#rounds.set(name, rounds);
  }

  fail({ name }: Contender, error: unknown): void {
    this.#failures.set(name, error instanceof Error ? error.message : String(error));
  }

  get names(): string[] {
    return [...this.#rounds.keys()];
  }

  /** Why a contender has no figures. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  /** Of all rounds; NaN where there is no figure. */
  figure(name: string, metric: string): number {
    const values = (this.#rounds.get(name) ?? []).map((round) => round[metric] ?? Number.NaN);
    return this.scenario.metrics[metric]?.of === "max" ? Math.max(...values) : median(values);
  }

  /** How many times the figure of another one it is. */
  ratio(name: string, other: string, metric: string): number {
    return this.figure(name, metric) / this.figure(other, metric);
  }

  toJSON() {
    const { id, title, metrics } = this.scenario;
    return {
      id,
      title,
      metrics,
      rounds: Object.fromEntries(this.#rounds),
      ...(this.#failures.size > 0 && { failures: Object.fromEntries(this.#failures) }),
    };
  }
}
