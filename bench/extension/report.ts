import { cpus, loadavg } from "node:os";
import { markdownTable } from "../support/markdownTable.ts";
import { median } from "../support/statistics.ts";
import { type Finding, isMet, judgedValues } from "./findings.ts";

function inUnit(values: readonly number[], unit: string): string {
  const digits = unit === "ms" ? 1 : 2;
  const text = (value: number) => value.toFixed(unit === "/s" ? 0 : digits);
  const range = values.length > 1 ? ` (${text(Math.min(...values))} to ${text(Math.max(...values))})` : "";
  return `${text(median(values))} ${unit}${range}`;
}

function row(finding: Finding): string[] {
  const { what, unit, values, baselines, judged, target } = finding;
  const met = isMet(finding);
  return [
    what,
    inUnit(values, unit),
    baselines === undefined ? "" : inUnit(baselines, unit),
    target === undefined ? "" : `≤ ${target} ${unit}${judged === "difference" ? " above" : ""}`,
    met === undefined
      ? ""
      : `${met ? "yes" : "no"}${judged === "difference" ? `: ${inUnit(judgedValues(finding), unit)}` : ""}`,
  ];
}

/** Of the machine no more than what the figures depend on. */
function circumstances() {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpus: cpus().length,
    // Of the last five minutes: the benchmark itself, and whatever else was running.
    load: Number(loadavg()[1]!.toFixed(1)),
  };
}

export function asMarkdown(findings: readonly Finding[]): string {
  const { date, node, cpus, load } = circumstances();
  const head = ["What", "Measured", "Idle, or without", "Target", "Met"];
  return `# The extension in its host

Median of the rounds of one run (smallest to largest): ${date}, Node ${node}, ${cpus} CPUs with a load of ${load}.
CPU time is that of the main thread alone, without what other programs on the machine add to the clock. Figures are for
comparison with each other: \`npm run bench:extension\` measures anew.

${markdownTable(head, findings.map(row))}
`;
}

export function asJson(findings: readonly Finding[]): string {
  const results = findings.map((finding) => ({
    ...finding,
    median: median(finding.values),
    ...(finding.baselines !== undefined && { medianOfBaselines: median(finding.baselines) }),
    ...(finding.target !== undefined && { met: isMet(finding) }),
  }));
  return `${JSON.stringify({ ...circumstances(), results }, undefined, 2)}\n`;
}
