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

/** Time, so that tests decide how fast it passes. */
export interface Clock {
  /** Milliseconds; only differences have a meaning. */
  now(): number;
  /** Runs `callback` once after `milliseconds`; the returned function cancels it. Never keeps a process alive. */
  after(milliseconds: number, callback: () => void): () => void;
}
