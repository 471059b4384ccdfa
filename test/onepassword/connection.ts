import assert from "node:assert/strict";
import { inspect } from "node:util";
import { isOneCliError } from "../../src/core/errors.ts";
import type { ErrorCode, OneCliError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/core/ports.ts";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import { OnePassword } from "../../src/secrets/onePassword.ts";
import type { OnePasswordOptions } from "../../src/secrets/onePassword.ts";
import { parseServiceAccountToken } from "../../src/core/serviceAccountToken.ts";

/** Prefix of every value and key in these tests: wherever it shows up in print, a secret has got out. */
export const canary = "CANARY";

export function connect(token: string, options: Partial<OnePasswordOptions> = {}): OnePassword {
  return new OnePassword({ token: parseServiceAccountToken(token), integrationVersion: "0.0.0", ...options });
}

export async function read(provider: OnePassword, reference: string): Promise<string> {
  const value = await provider.resolve(parseSecretReference(reference));
  return value.reveal();
}

/** The error that a call fails with: it has this code, and nothing that can be printed of it is a secret. */
export async function refusal(call: Promise<unknown>, code: ErrorCode, token?: string): Promise<OneCliError> {
  const error: unknown = await call.then(
    () => assert.fail(`expected ${code}, got an answer`),
    (thrown: unknown) => thrown,
  );
  assert.ok(isOneCliError(error), inspect(error));
  assert.equal(error.code, code, inspect(error));
  assertClean(error, token);
  return error;
}

export function assertClean(printed: unknown, token?: string): void {
  const text = `${String(printed)} ${JSON.stringify(printed)} ${inspect(printed, { depth: null, showHidden: true })}`;
  const base64 = Buffer.from(canary).toString("base64");
  const members = token === undefined ? [] : [token, ...tokenSecrets(token)];
  for (const secret of [canary, base64, "ops_e", ...members]) {
    assert.ok(!text.includes(secret), "a secret can be read in what is printed");
  }
}

function tokenSecrets(token: string): string[] {
  const content = JSON.parse(Buffer.from(token.slice(4), "base64").toString()) as {
    srpX: string;
    secretKey: string;
    muk: { k: string };
  };
  return [token.slice(4), content.srpX, content.secretKey, content.muk.k];
}

/** A clock that stands still until it is told how much time has passed. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  date(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      this.#timers.delete(timer);
      timer.callback();
    }
  }

  get pending(): number {
    return this.#timers.size;
  }
}
