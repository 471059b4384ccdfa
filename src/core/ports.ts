import type { SecretReference } from "./secretReference.ts";
import type { SecretValue } from "./secretValue.ts";

/** Satisfied as it is by VS Code's LogOutputChannel. Never hand it a value, a token or a library's error whole. */
export interface Logger {
  trace(message: string, ...args: unknown[]): void;
  debug(message: string, ...args: unknown[]): void;
  info(message: string, ...args: unknown[]): void;
  warn(message: string, ...args: unknown[]): void;
  error(message: string, ...args: unknown[]): void;
}

/** A source of secret values: asked at request time, remembers no value. */
export interface SecretProvider {
  /**
   * Reads the value behind a reference from its source, now.
   * @throws OneCliError with the code that says why there is none.
   */
  resolve(reference: SecretReference): Promise<SecretValue>;
  /** Drops what was learnt about this reference (ids of names), or about all of them. */
  forget(reference?: SecretReference): void;
}

/** Names in a source of secrets, for a person to pick from. Never a value. */
export interface SecretBrowser {
  listVaults(): Promise<VaultEntry[]>;
  listItems(vaultId: string): Promise<ItemEntry[]>;
  listFields(vaultId: string, itemId: string): Promise<FieldEntry[]>;
}

export interface VaultEntry {
  readonly id: string;
  readonly title: string;
}

export interface ItemEntry {
  readonly id: string;
  readonly title: string;
  /** 1Password's name of the category: `Login`, `ApiCredentials`, … */
  readonly category: string;
}

export interface FieldEntry {
  readonly id: string;
  readonly label: string;
  /** Not there for built-in fields and for those of the section without a title. */
  readonly section?: { readonly id: string; readonly title: string } | undefined;
  /** 1Password's name of the type: `Text`, `Concealed`, `Totp`, …, and `Notes` for the notes of the item. */
  readonly type: string;
}

/** Time, so that tests decide how fast it passes. */
export interface Clock {
  /** Milliseconds; only differences have a meaning. */
  now(): number;
  /** Unix time in milliseconds, which goes on while the machine sleeps and may be set. */
  date(): number;
  /** Runs `callback` once after `milliseconds`; the returned function cancels it. Never keeps a process alive. */
  after(milliseconds: number, callback: () => void): () => void;
}
