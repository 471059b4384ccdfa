import { randomBytes } from "node:crypto";
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import * as z from "zod";
import { OneCliError } from "../core/errors.ts";
import { type Mapping, type MappingInput, parseMapping, parseMappings } from "../core/mapping.ts";
import { readConfig } from "./config.ts";
import { UsageError } from "./usageError.ts";

/** Of all that a configuration holds, what is changed here. Everything else stays as it is. */
const content = z.looseObject({ mappings: z.array(z.unknown()) });

/** The mappings in a configuration file, which stays the truth: every change is written to it before it is used. */
export class ConfigFile {
  readonly #file: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(file: string, environment: NodeJS.ProcessEnv) {
    this.#file = file;
    this.#environment = environment;
  }

  /**
   * Writes a mapping in the place of the one for the same host and path, or behind all others.
   * @throws OneCliError `mappings-unwritable`
   */
  async put(mapping: MappingInput): Promise<{ change: "added" | "replaced"; mappings: readonly Mapping[] }> {
    const id = idOf(mapping);
    let change: "added" | "replaced" = "added";
    const mappings = await this.#change((entries) => {
      const index = entries.findIndex((entry) => idOf(entry) === id);
      change = index === -1 ? "added" : "replaced";
      return index === -1 ? [...entries, mapping] : entries.with(index, mapping);
    });
    return { change, mappings };
  }

  /** @throws OneCliError `no-such-mapping`, `mappings-unwritable` */
  async remove(id: string): Promise<readonly Mapping[]> {
    return this.#change((entries) => {
      const kept = entries.filter((entry) => idOf(entry) !== id);
      if (kept.length === entries.length) {
        throw new OneCliError("no-such-mapping", `${JSON.stringify(id)} is not mapped.`);
      }
      return kept;
    });
  }

  async #change(change: (entries: readonly unknown[]) => readonly unknown[]): Promise<readonly Mapping[]> {
    try {
      // What is broken is not written over: it may be somebody's half-done work.
      await readConfig(this.#file, this.#environment);
      const text = await readFile(this.#file, "utf8");
      const config = content.parse(JSON.parse(text.replace(/^\uFEFF/, "")));
      const entries = change(config.mappings);
      const [, indent = "  "] = /^([ \t]+)"/m.exec(text) ?? [];
      await replaceFile(
        this.#file,
        `${JSON.stringify({ ...config, mappings: entries }, undefined, indent)}\n`,
      );
      return parseMappings(entries).mappings;
    } catch (error) {
      throw error instanceof OneCliError ? error : unwritable(this.#file, error);
    }
  }
}

function idOf(entry: unknown): string | undefined {
  const mapping = parseMapping(entry);
  return typeof mapping === "string" ? undefined : mapping.id;
}

/** Readers find the old content or the new one, never a part; a link goes on leading to the file. */
async function replaceFile(name: string, text: string): Promise<void> {
  const file = await realpath(name);
  const { mode } = await stat(file);
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
    await chmod(temporary, mode & 0o777);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function unwritable(file: string, error: unknown): OneCliError {
  const { code = "unknown fault" } = error as NodeJS.ErrnoException;
  const reason =
    error instanceof UsageError ? error.message : `${file}: the file cannot be written (${code})`;
  return new OneCliError("mappings-unwritable", `${reason}.`, { cause: error });
}
