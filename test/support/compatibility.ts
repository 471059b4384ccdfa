// What works with what, as the suites have seen it: each writes its rows, writeCompatibility.ts joins them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";

export const compatibilityFolder = resolve(import.meta.dirname, "../../dist-test/compatibility");

export const sectionSchema = z.strictObject({
  section: z.string(),
  /** A paragraph above the table. */
  about: z.string().optional(),
  columns: z.array(z.string()),
  rows: z.array(
    z.strictObject({
      name: z.string(),
      version: z.string(),
      /** Column → `yes`, `no`, `–` (does not apply) or a short text. A column without a cell was not tried. */
      cells: z.record(z.string(), z.string()),
      /** Column → why its cell is not `yes`. */
      why: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
export type Section = z.infer<typeof sectionSchema>;

/** How far the requests of tools and agents come: several suites add rows. */
export const toolSection = {
  section: "Tools and agents",
  about:
    "Tools call the doctor's echo with `onecli-gateway doctor`, by no more than the variables of the terminal unless the " +
    "cell says so. Agents call the stand-ins of their vendors' APIs. *proxy*: the request comes to the gateway. *CA*: its " +
    "certificate is trusted. *header*: the secret arrives upstream. *SSE*: an event arrives before the next one is sent. " +
    "*WebSocket*: opened with the secret, then there and back. *h2*: HTTP/2 between the tool and the gateway.",
  columns: ["proxy", "CA", "header", "SSE", "WebSocket", "h2"],
};

/** Gathers what the tests of a suite have proved. */
export class CompatibilityRecord {
  readonly #file: string;
  readonly #head: Omit<Section, "rows">;
  readonly #rows = new Map<string, Section["rows"][number]>();

  /** @param name of the file, without its end. */
  constructor(name: string, head: Omit<Section, "rows">) {
    this.#file = resolve(compatibilityFolder, `${name}.json`);
    this.#head = head;
  }

  /** To be called when a test begins: `columns` are `no` unless it proves otherwise. */
  trying(name: string, version: string, columns: readonly string[]): void {
    const row = this.#rows.get(name) ?? { name, version, cells: {} };
    Object.assign(row.cells, Object.fromEntries(columns.map((column) => [column, "no"])));
    this.#rows.set(name, row);
  }

  /** To be called when a test has proved what it tried; the columns are `yes`, or what is given for them. */
  proved(name: string, cells: readonly string[] | Readonly<Record<string, string>>): void {
    const entries = Array.isArray(cells)
      ? cells.map((column: string) => [column, "yes"] as const)
      : Object.entries(cells);
    const row = this.#rows.get(name);
    Object.assign(row?.cells ?? {}, Object.fromEntries(entries));
    for (const [column] of entries) {
      delete row?.why?.[column];
    }
  }

  /** Why cells are not `yes`, by their column. */
  explain(name: string, why: Readonly<Record<string, string>>): void {
    const row = this.#rows.get(name);
    if (row !== undefined) {
      row.why = { ...row.why, ...why };
    }
  }

  /** Rows that this run has left out stay as an earlier one wrote them. */
  async write(): Promise<void> {
    if (this.#rows.size === 0) {
      return;
    }
    const earlier = await readFile(this.#file, "utf8").then(
      (text) => sectionSchema.safeParse(JSON.parse(text)).data?.rows ?? [],
      () => [],
    );
    const rows = new Map([...earlier.map((row) => [row.name, row] as const), ...this.#rows]);
    const section = sectionSchema.parse({ ...this.#head, rows: [...rows.values()] });
    await mkdir(dirname(this.#file), { recursive: true });
    await writeFile(this.#file, `${JSON.stringify(section, undefined, 2)}\n`);
  }
}

interface Tool {
  readonly name: string;
  /** Command that prints the tool's version, and fails where the tool is not installed. */
  readonly version: readonly string[];
}

/** The version of a tool. Where it is not installed, the test or hook is skipped and says why. */
export async function versionOf(
  { name, version }: Tool,
  context: Mocha.Context,
  path = process.env["PATH"],
): Promise<string> {
  const [command = "", ...args] = version;
  const env = { ...process.env, PATH: path };
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "close").catch(() => undefined);
  const said = await text(child.stdout);
  await ended;
  if (child.exitCode !== 0) {
    const test = context.currentTest ?? context.test!;
    test.title += `: ${name} is not installed`;
    context.skip();
  }
  return /\d+(?:\.\d+)+/.exec(said)?.[0] ?? "";
}
