// What was found, and how it stands to its target.
import { median } from "../support/statistics.ts";

export interface Finding {
  readonly what: string;
  readonly unit: string;
  /** One per round; what counts is the median. */
  readonly values: readonly number[];
  /** What there would have been without the cause that is looked at, in the same rounds. */
  readonly baselines?: readonly number[];
  /** Whether the target is about the value itself or about how far it is above its baseline. */
  readonly judged?: "value" | "difference";
  /** At most so much. */
  readonly target?: number;
}

export function judgedValues({ values, baselines = [], judged = "value" }: Finding): readonly number[] {
  return judged === "value" ? values : values.map((value, round) => value - baselines[round]!);
}

/** Undefined where there is no target. */
export function isMet(finding: Finding): boolean | undefined {
  return finding.target === undefined ? undefined : median(judgedValues(finding)) <= finding.target;
}
