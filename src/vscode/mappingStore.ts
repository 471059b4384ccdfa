import type { Memento } from "vscode";
import * as z from "zod";
import { type Mapping, type MappingInput, mappingSchema, parseMapping } from "../core/mapping.ts";
import { everyPath } from "../core/requestPath.ts";
import { namedTwice } from "../core/target.ts";
import { ofCore, PhraseError, t } from "./phrase.ts";

const storageKey = "onecli.mappings";
const version = 1;

/** A mapping in storage: with the names to show where the reference is made of ids. */
const storedMappingSchema = mappingSchema.extend({ names: z.string().optional() });
export type StoredMapping = z.infer<typeof storedMappingSchema>;

const stateSchema = z.object({ version: z.literal(version), mappings: z.array(z.unknown()) });

export interface Entry extends Mapping {
  /** As it is stored. */
  readonly stored: StoredMapping;
}

export type StoreProblem =
  /** Written by a later version of this extension: left alone. */
  | { readonly kind: "future" }
  /** Entries that cannot be read; they are kept where they are. */
  | { readonly kind: "broken"; readonly messages: readonly string[] };

/** The mappings of a workspace. Every change is written whole. */
export class MappingStore {
  readonly #state: Memento;
  #entries: readonly Entry[] = [];
  #broken: readonly unknown[] = [];
  #isFuture = false;
  readonly problem: StoreProblem | undefined;

  constructor(state: Memento) {
    this.#state = state;
    this.problem = this.#load(state.get(storageKey));
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  find(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  /**
   * Adds a mapping, or puts it in the place of the one for `replacing` (its id).
   * @throws MappingError with a sentence for the person.
   */
  put(input: StoredMapping, replacing?: string): Promise<Entry> {
    const index = this.#entries.findIndex(({ id }) => id === replacing);
    return index === -1 ? this.insert(input, this.#entries.length) : this.#splice(input, index, 1);
  }

  /** Adds a mapping before the one at `index`, or as the last. @throws MappingError with a sentence for the person. */
  insert(input: StoredMapping, index: number): Promise<Entry> {
    return this.#splice(input, index, 0);
  }

  async remove(id: string): Promise<void> {
    await this.#write(this.#entries.filter((entry) => entry.id !== id));
  }

  async #splice(input: StoredMapping, index: number, replaced: 0 | 1): Promise<Entry> {
    const entry = readEntry(input);
    if (typeof entry === "string") {
      throw new MappingError(ofCore(entry));
    }
    const entries = [...this.#entries];
    entries.splice(index, replaced, entry);
    if (entries.filter(({ id }) => id === entry.id).length > 1) {
      throw new MappingError(t("{0} is mapped already.", entry.id));
    }
    await this.#write(entries);
    return entry;
  }

  async #write(entries: readonly Entry[]): Promise<void> {
    if (this.#isFuture) {
      throw new MappingError(
        t(
          "The mappings of this workspace were written by a later version of OneCLI; update it to change them.",
        ),
      );
    }
    const mappings = [...entries.map(({ stored }) => stored), ...this.#broken];
    await this.#state.update(storageKey, { version, mappings });
    this.#entries = entries;
  }

  #load(state: unknown): StoreProblem | undefined {
    if (state === undefined) {
      return undefined;
    }
    const { success, data } = stateSchema.safeParse(state);
    if (!success) {
      this.#isFuture = true;
      return { kind: "future" };
    }
    const entries = new Map<string, Entry>();
    const broken: unknown[] = [];
    const messages: string[] = [];
    for (const stored of data.mappings) {
      const entry = readEntry(stored);
      if (typeof entry !== "string" && !entries.has(entry.id)) {
        entries.set(entry.id, entry);
      } else {
        broken.push(stored);
        messages.push(typeof entry === "string" ? entry : namedTwice(entry));
      }
    }
    this.#entries = [...entries.values()];
    this.#broken = broken;
    return messages.length === 0 ? undefined : { kind: "broken", messages };
  }
}

/** Says why a mapping cannot be stored. */
export class MappingError extends PhraseError {
  override readonly name = "MappingError";
}

/** What the gateway is told of an entry. */
export function toInput({ stored }: Entry): MappingInput {
  return withoutNames(stored);
}

/** An entry as it is stored, or the sentence that says why it is none. */
export function readEntry(stored: unknown): Entry | string {
  const shape = storedMappingSchema.safeParse(stored);
  const input = shape.success ? withoutNames(shape.data) : stored;
  const mapping = parseMapping(input);
  if (typeof mapping === "string" || !shape.success) {
    return typeof mapping === "string" ? mapping : "is not valid";
  }
  const { hostname, path } = mapping;
  const { path: _asWritten, ...rest } = shape.data;
  return { ...mapping, stored: { ...rest, hostname, ...(path !== everyPath && { path }) } };
}

function withoutNames({ names, ...input }: StoredMapping): MappingInput {
  return input;
}
