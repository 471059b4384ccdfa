import { lowerBound } from "../contenders/peers.ts";
import { ours } from "../contenders/ours.ts";
import { markdownTable } from "./markdownTable.ts";
import { type Result } from "./results.ts";
import { type Target } from "./targets.ts";

/** A scenario's figures, with how many times the lower bound's and ours they are. */
export function tableOf(result: Result): string {
  const { scenario, names, failures } = result;
  const metrics = Object.entries(scenario.metrics);
  const first = metrics[0]?.[0] ?? "";
  const ratioTitle = `${scenario.metrics[first]?.title ?? ""} to`;
  const rows = names.map((name) => [
    name === ours.name ? `**${name}**` : name,
    ...metrics.map(([metric]) => digits(result.figure(name, metric))),
    times(result.ratio(name, lowerBound.name, first)),
    times(result.ratio(name, ours.name, first)),
  ]);
  const head = [
    "",
    ...metrics.map(([, { title, unit }]) => (unit === "" ? title : `${title}, ${unit}`)),
    `${ratioTitle} the lower bound's`,
    `${ratioTitle} ours`,
  ];
  const failed = [...failures].map(([name, why]) => `\n${name} failed: ${why.replaceAll(/\s+/g, " ")}`);
  return `### ${scenario.title}\n\n${markdownTable(head, rows)}\n${failed.join("\n")}`;
}

export function tableOfTargets(targets: readonly Target[]): string {
  return markdownTable(
    ["", "target", "measured", ""],
    targets.map(({ what, target, value, unit, isMet }) => [
      what,
      target,
      Number.isNaN(value) ? "not measured" : `${digits(value)} ${unit}`,
      Number.isNaN(value) ? "" : isMet ? "met" : "**missed**",
    ]),
  );
}

/** Three digits that say something. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) {
    return "–";
  }
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(3)));
}

function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${digits(ratio)} ×` : "–";
}
