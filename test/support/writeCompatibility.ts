// Writes docs/compatibility.md from what the suites have left in dist-test/compatibility.
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { join, resolve } from "node:path";
import { compatibilityFolder, type Section, sectionSchema } from "./compatibility.ts";

const target = resolve(import.meta.dirname, "../../docs/compatibility.md");

const titlePattern = /^## (.+)$/gm;
const titlesOf = (text: string) => [...text.matchAll(titlePattern)].map(([, title]) => title);

const names: string[] = await readdir(compatibilityFolder).catch(() => []);
const sections: string[] = [];
const order = ["tools.json", "agents.json", "sdks.json", "work.json"];
for (const name of order.filter((file) => names.includes(file))) {
  const file = join(compatibilityFolder, name);
  const section = sectionSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const { mtime } = await stat(file);
  sections.push(format(section, mtime.toISOString().slice(0, 10)));
}
const intro = `# What works through the gateway

Written by \`npm run compatibility\` from what its tests saw; nothing here is filled in by hand.
\`yes\` was asserted by a test, \`no\` was tried and failed, \`–\` does not apply, an empty cell was not tried. Below a table is
why cells are not \`yes\`.
`;
const text = [intro, ...sections].join("\n");
const lost = titlesOf(await readFile(target, "utf8").catch(() => "")).filter(
  (title) => !titlesOf(text).includes(title),
);
if (lost.length > 0) {
  console.error(`These sections would be lost: ${lost.join(", ")}. Run npm run compatibility.`);
  process.exit(1);
}
await writeFile(target, text);

function format({ section, about, columns, rows }: Section, day: string): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escape).join(" | ")} |`;
  return [
    `## ${section}`,
    "",
    ...(about === undefined ? [] : [about, ""]),
    line(["", "version", ...columns]),
    line(["", "", ...columns].map(() => "---")),
    ...rows.map(({ name, version, cells }) =>
      line([name, version, ...columns.map((column) => cells[column] ?? "")]),
    ),
    "",
    ...reasons(rows, columns),
    `Run on ${day}: ${platform()} ${arch()}, Node ${process.versions.node}.`,
    "",
  ].join("\n");
}

/** A list of the reasons, each with the cells that it is for. */
function reasons(rows: Section["rows"], columns: readonly string[]): string[] {
  const cells = new Map<string, string[]>();
  for (const { name, why = {} } of rows) {
    for (const reason of new Set(Object.values(why))) {
      const of = columns.filter((column) => why[column] === reason);
      const cell = of.length === columns.length ? name : `${name} (${of.join(", ")})`;
      cells.set(reason, [...(cells.get(reason) ?? []), cell]);
    }
  }
  const list = [...cells].map(([reason, of]) => `- ${of.join(", ")}: ${reason}`);
  return list.length === 0 ? [] : [...list, ""];
}

function escape(cell: string): string {
  return cell.replaceAll("|", "\\|").replaceAll("\n", " ");
}
