// The report for people.
import { type Cell, type Report } from "../shared/doctorReport.ts";
import { type Column, columns, type Failure } from "./report.ts";

const titles: Readonly<Record<Column, string>> = {
  proxy: "PROXY",
  ca: "CA",
  header: "HEADER",
  sse: "SSE",
  webSocket: "WEBSOCKET",
  h2: "H2",
};

export interface Look {
  readonly colour: boolean;
  /** Characters of a line. */
  readonly width: number;
}

/** Every line ends with a newline. */
export function formatReport(report: Report, look: Look): string {
  const present = report.tools.filter(
    ({ program, cells }) => program !== null || hasFailure(Object.values(cells)),
  );
  const absent = report.tools.filter((tool) => !present.includes(tool));
  const paint = painter(look);
  const lines = [`OneCLI Doctor ${report.version}`, "", "This terminal"];
  const names = Math.max(...report.environment.map(({ name }) => name.length));
  for (const { name, cell } of report.environment) {
    lines.push(`  ${name.padEnd(names)}  ${paint(cell, textOf(cell))}`);
  }
  if (present.length > 0) {
    lines.push("", ...toolLines(present, paint));
  }
  const problems = problemsOf(report);
  if (problems.length > 0) {
    lines.push("", "What to do");
    for (const { where, failure } of problems) {
      lines.push(...wrap(`${where}: ${failure.cause}`, look.width, "  ", "    "));
      lines.push(...wrap(failure.fix, look.width, "    → ", "      "));
    }
  }
  lines.push("", ...report.notes.flatMap((note) => wrap(note, look.width, "· ", "  ")));
  if (absent.length > 0) {
    const list = absent.map(({ name, cells }) => name + reasonOf(cells.proxy)).join(", ");
    lines.push(...wrap(`Not tried: ${list}.`, look.width, "· ", "  "));
  }
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const verdict: Cell = report.ok ? { state: "ok" } : { state: "failed", cause: "", fix: "" };
  lines.push("", paint(verdict, report.ok ? "All is well." : `${count}.`));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function reasonOf(cell: Cell): string {
  return cell.state === "none" && !cell.reason.endsWith("is not on the PATH") ? ` (${cell.reason})` : "";
}

function toolLines(present: Report["tools"], paint: Paint): string[] {
  const rows = present.map(({ name, version, cells }) => ({
    name,
    version: version ?? "",
    cells: columns.map((column) => cells[column]),
  }));
  const nameWidth = Math.max(4, ...rows.map(({ name }) => name.length));
  const versionWidth = Math.max(7, ...rows.map(({ version }) => version.length));
  const widths = columns.map((column, index) =>
    Math.max(titles[column].length, ...rows.map(({ cells }) => textOf(cells[index]).length)),
  );
  const start = (name: string, version: string) =>
    `${name.padEnd(nameWidth)}  ${version.padEnd(versionWidth)}`;
  const head = columns.map((column, index) => titles[column].padEnd(widths[index] ?? 0)).join("  ");
  return [
    `${start("TOOL", "VERSION")}  ${head}`,
    ...rows.map(({ name, version, cells }) => {
      const painted = cells.map((cell, index) => paint(cell, textOf(cell).padEnd(widths[index] ?? 0)));
      return `${start(name, version)}  ${painted.join("  ")}`;
    }),
  ];
}

export function problemsOf({ environment, tools }: Report): { where: string; failure: Failure }[] {
  const cells: (readonly [where: string, cell: Cell])[] = [
    ...environment.map(({ name, cell }) => [name, cell] as const),
    ...tools.flatMap(({ name, cells: all }) =>
      columns.map((column) => [`${name}, ${titles[column]}`, all[column]] as const),
    ),
  ];
  return cells.flatMap(([where, cell]) => (cell.state === "failed" ? [{ where, failure: cell }] : []));
}

function hasFailure(cells: readonly Cell[]): boolean {
  return cells.some(({ state }) => state === "failed");
}

function textOf(cell: Cell | undefined): string {
  switch (cell?.state) {
    case "ok":
      return cell.as ?? "ok";
    case "failed":
      return "FAILED";
    case "none":
    case undefined:
      return "–";
  }
}

type Paint = (cell: Cell, text: string) => string;

function painter({ colour }: Look): Paint {
  const codes = { ok: 32, failed: 31, none: 2 };
  return (cell, text) => (colour ? `\u001b[${codes[cell.state]}m${text}\u001b[0m` : text);
}

/** Breaks a text at blanks; a word that is too long for a line gets one of its own. */
function wrap(text: string, width: number, first: string, others: string): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = others;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
