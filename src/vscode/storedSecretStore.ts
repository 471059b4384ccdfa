// The stored secrets of a workspace: sealed, the envelope in SecretStorage. Values are read out of it when the gateway is
// given them, and are kept nowhere else.
import { join } from "node:path";
import type { Disposable, SecretStorage } from "vscode";
import * as z from "zod";
import { unusable } from "../core/injection.ts";
import { everyPath } from "../core/requestPath.ts";
import { parseStoredSecret, type StoredSecretEntry, type StoredSecretInput } from "../core/storedSecret.ts";
import { namedTwice } from "../core/target.ts";
import type { StoredSecretWithValue } from "../shared/gatewayProtocol.ts";
import { KeyFile } from "./keyFile.ts";
import type { Entry, StoreProblem } from "./mappingStore.ts";
import { ofCore, PhraseError, t } from "./phrase.ts";

const version = 1;
const stateSchema = z.object({ version: z.literal(version), secrets: z.array(z.unknown()) });
const laterState = z.looseObject({ version: z.int().min(version + 1) });
const valueSchema = z.looseObject({ value: z.string() });

export interface StoredEntry extends StoredSecretEntry {
  /** As it is stored, without its value. */
  readonly stored: StoredSecretInput;
}

/** Tells a stored secret from a mapping. */
export function isStoredEntry(entry: StoredEntry | Entry): entry is StoredEntry {
  return "name" in entry;
}

/** A header holds no more. */
export const maxValueLength = 64 * 1024;

export type StoredSecretProblem =
  | StoreProblem
  /** The key file is gone or another one: nothing can be read. */
  | { readonly kind: "unopenable" };

interface Item {
  readonly entry: StoredEntry;
  readonly value: string;
}

interface Content {
  readonly items: readonly Item[];
  readonly broken: readonly unknown[];
  readonly problem?: StoredSecretProblem;
}

const empty: Content = { items: [], broken: [] };

export class StoredSecretStore {
  readonly #secrets: SecretStorage;
  readonly #keyFile: KeyFile;
  readonly #workspaceId: () => Promise<string>;
  /** Where the envelope lies; known after the first reading. */
  #key: string | undefined;
  /** The envelope that was read or written last. */
  #sealed: string | undefined;
  #entries: readonly StoredEntry[] = [];
  #problem: StoredSecretProblem | undefined;
  /** Each reading and change waits for the one before. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param folder the extension's global storage on the machine it runs on.
   * @param workspaceId stays the same for a workspace.
   */
  constructor(secrets: SecretStorage, folder: string, workspaceId: () => Promise<string>) {
    this.#secrets = secrets;
    this.#keyFile = new KeyFile(join(folder, "stored-secrets.key"));
    this.#workspaceId = workspaceId;
  }

  /** As they were read last. */
  get entries(): readonly StoredEntry[] {
    return this.#entries;
  }

  get problem(): StoredSecretProblem | undefined {
    return this.#problem;
  }

  find(id: string): StoredEntry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  /** Reads what is stored. @returns whether that is something else than this window has seen. */
  load(): Promise<boolean> {
    return this.#serially(async () => {
      const before = this.#sealed;
      await this.#read();
      return this.#sealed !== before;
    });
  }

  /** For the gateway alone. */
  withValues(): Promise<StoredSecretWithValue[]> {
    return this.#serially(async () => {
      const { items } = await this.#read();
      return items.map(({ entry, value }) => ({ ...entry.stored, value }));
    });
  }

  /** Adds a stored secret. @throws StoredSecretError with a sentence for the person. */
  add(input: StoredSecretInput, value: string): Promise<StoredEntry> {
    return this.#put(input, () => value);
  }

  /**
   * Puts another in the place of `replacing` (an id).
   * @param value its own value; without one it keeps the one that is there.
   * @throws StoredSecretError
   */
  replace(replacing: string, input: StoredSecretInput, value?: string): Promise<StoredEntry> {
    return this.#put(input, (items) => value ?? valueOf(items, replacing), replacing);
  }

  /** Adds another with the value of `id`. @throws StoredSecretError */
  copy(id: string, input: StoredSecretInput): Promise<StoredEntry> {
    return this.#put(input, (items) => valueOf(items, id));
  }

  async remove(id: string): Promise<void> {
    await this.#change((items) => items.filter(({ entry }) => entry.id !== id));
  }

  /** Another window of the workspace has changed something, or this one has. */
  onDidChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === this.#key) {
        listener();
      }
    });
  }

  async #put(
    input: StoredSecretInput,
    getValue: (items: readonly Item[]) => string,
    replacing?: string,
  ): Promise<StoredEntry> {
    const entry = readEntry(input);
    if (typeof entry === "string") {
      throw new StoredSecretError(ofCore(entry));
    }
    await this.#change((items) => {
      if (entry.id !== replacing && items.some((item) => item.entry.id === entry.id)) {
        throw new StoredSecretError(t("{0} has a stored secret already.", entry.id));
      }
      const value = getValue(items);
      const reason = unusable(value);
      if (reason !== undefined) {
        throw new StoredSecretError(t("The value {0}.", ofCore(reason)));
      }
      const index = items.findIndex((item) => item.entry.id === replacing);
      return items.toSpliced(index === -1 ? items.length : index, index === -1 ? 0 : 1, { entry, value });
    });
    return entry;
  }

  /** Applies a change to what is stored at that moment, which another window may have written. */
  #change(edit: (items: readonly Item[]) => readonly Item[]): Promise<void> {
    return this.#serially(async () => {
      const { broken, problem, ...content } = await this.#read();
      if (problem?.kind === "future") {
        throw new StoredSecretError(
          t(
            "The stored secrets of this workspace were written by a later version of OneCLI; update it to change them.",
          ),
        );
      }
      const items = edit(content.items);
      const key = await this.#storageKey();
      const secrets = [...items.map(({ entry, value }) => ({ ...entry.stored, value })), ...broken];
      try {
        if (problem?.kind === "unopenable" && this.#sealed !== undefined) {
          await this.#secrets.store(`${key}.unopenable`, this.#sealed);
        }
        if (secrets.length === 0) {
          this.#sealed = undefined;
          await this.#secrets.delete(key);
        } else {
          const sealed = await this.#keyFile.seal(JSON.stringify({ version, secrets }), key);
          // Before it is stored: storage tells of the change at once.
          this.#sealed = sealed;
          await this.#secrets.store(key, sealed);
        }
      } catch (error) {
        await this.#read().catch(() => undefined);
        const { code } = error as NodeJS.ErrnoException;
        throw new StoredSecretError(
          code === undefined
            ? t("Nothing was stored: VS Code's secret storage cannot be written.")
            : t("Nothing was stored: the key file cannot be written ({0}).", code),
          { cause: error },
        );
      }
      this.#entries = items.map(({ entry }) => entry);
    });
  }

  async #read(): Promise<Content> {
    const key = await this.#storageKey();
    const seen = this.#sealed;
    this.#sealed = await this.#secrets.get(key);
    const content = this.#sealed === undefined ? empty : await this.#open(this.#sealed, key);
    if (this.#sealed !== seen || content.items.length !== this.#entries.length) {
      this.#entries = content.items.map(({ entry }) => entry);
    }
    this.#problem = content.problem;
    return content;
  }

  async #open(sealed: string, key: string): Promise<Content> {
    const opened = await this.#keyFile.open(sealed, key);
    return opened.kind === "opened" ? parse(opened.text) : { ...empty, problem: opened };
  }

  async #storageKey(): Promise<string> {
    return (this.#key ??= `onecli.storedSecrets.${await this.#workspaceId()}`);
  }

  #serially<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Says why a stored secret cannot be kept. */
export class StoredSecretError extends PhraseError {
  override readonly name = "StoredSecretError";
}

function parse(text: string): Content {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ...empty, problem: { kind: "unopenable" } };
  }
  const state = stateSchema.safeParse(json);
  if (!state.success) {
    return { ...empty, problem: { kind: laterState.safeParse(json).success ? "future" : "unopenable" } };
  }
  const items = new Map<string, Item>();
  const broken: unknown[] = [];
  const messages: string[] = [];
  for (const stored of state.data.secrets) {
    const item = readItem(stored);
    if (typeof item !== "string" && !items.has(item.entry.id)) {
      items.set(item.entry.id, item);
    } else {
      broken.push(stored);
      messages.push(typeof item === "string" ? item : namedTwice(item.entry));
    }
  }
  return {
    items: [...items.values()],
    broken,
    ...(messages.length > 0 && { problem: { kind: "broken", messages } as const }),
  };
}

function readItem(stored: unknown): Item | string {
  const shape = valueSchema.safeParse(stored);
  if (!shape.success) {
    return "value: is missing";
  }
  const { value, ...input } = shape.data;
  const entry = readEntry(input);
  return typeof entry === "string" ? entry : { entry, value };
}

function readEntry(input: unknown): StoredEntry | string {
  const parsed = parseStoredSecret(input);
  if (typeof parsed === "string") {
    return parsed;
  }
  const { name, hostname, path, rule, enabled } = parsed;
  return {
    ...parsed,
    stored: {
      name,
      hostname,
      ...(path !== everyPath && { path }),
      ...(rule !== undefined && { rule }),
      ...(!enabled && { enabled }),
    },
  };
}

function valueOf(items: readonly Item[], id: string): string {
  const item = items.find(({ entry }) => entry.id === id);
  if (item === undefined) {
    throw new StoredSecretError(t("The stored secret for {0} is gone: another window has changed it.", id));
  }
  return item.value;
}
