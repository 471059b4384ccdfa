import { describeError, type ErrorCode, isOneCliError, OneCliError, toOneCliError } from "../core/errors.ts";
import { type Clock, type SecretProvider } from "../core/ports.ts";
import { formatSecretReference, isOneTimeCode, type SecretReference } from "../core/secretReference.ts";
import { type SecretValue } from "../core/secretValue.ts";

/** Milliseconds. */
export interface ResolverTimes {
  /** A value is never used longer than this after it was read. */
  readonly value: number;
  /** How long an answer "there is none" is remembered, per reference. */
  readonly negative: number;
  /** How long 1Password is left alone after a rate limit or an outage, for all references. */
  readonly cooldown: number;
  /** A value used at this age or later is read again in the background, so that a busy host never waits. */
  readonly refresh: number;
}

const defaultTimes: ResolverTimes = { value: 60_000, negative: 30_000, cooldown: 60_000, refresh: 45_000 };

/** The usual period of one-time codes (RFC 6238 §5.2); codes change at its multiples. */
const oneTimeCodePeriod = 30_000;

export interface Resolution {
  readonly value: SecretValue;
  /** Whether the value was at hand, without a question to 1Password. */
  readonly cached: boolean;
}

type Entry =
  | {
      readonly kind: "value";
      readonly value: SecretValue;
      readonly readAt: number;
      /** Unix time: the clock on the wall goes on while the machine sleeps. */
      readonly endsAt: number;
      readonly cancel: () => void;
    }
  | { readonly kind: "refused"; readonly error: OneCliError; readonly cancel: () => void };

/** One question to the source. It is current, and its answer kept, while it is the one in the table. */
interface Question {
  readonly provider: SecretProvider;
  /** Unix time at which its answer has to be forgotten. */
  readonly endsAt: number;
  readonly answer: Promise<SecretValue>;
  /** Ends the wait of those who asked, whatever the source still does. */
  readonly abandon: (reason: OneCliError) => void;
}

/**
 * The values in use, for a minute each. Requests that want the same reference share one question; an entry is removed
 * by a timer, not by its next use. `connect` and `disconnect` change the source; an answer that comes from a source
 * that is gone by then is thrown away.
 */
export class Resolver {
  readonly #clock: Clock;
  readonly #times: ResolverTimes;
  readonly #onQuestion: (outcome: ErrorCode | "ok") => void;
  readonly #entries = new Map<string, Entry>();
  readonly #questions = new Map<string, Question>();
  #provider: SecretProvider | undefined;
  /** No question is asked before `until`; the error is the reason. */
  #pause: { readonly error: OneCliError; readonly until: number } | undefined;

  /** @param onQuestion is told how each question to the source has ended. */
  constructor(
    clock: Clock,
    times: Partial<ResolverTimes> = {},
    onQuestion: (outcome: ErrorCode | "ok") => void = () => undefined,
  ) {
    this.#clock = clock;
    this.#onQuestion = onQuestion;
    this.#times = { ...defaultTimes, ...times };
  }

  connect(provider: SecretProvider): void {
    this.disconnect();
    this.#provider = provider;
  }

  /**
   * Another source from now on, and no value of the earlier one; questions under way are still answered by that.
   * Fulfilled when they are.
   */
  async replace(provider: SecretProvider): Promise<void> {
    const questions = [...this.#questions.values()];
    this.#provider = provider;
    this.#pause = undefined;
    this.#clear();
    await Promise.allSettled(questions.map(({ answer }) => answer));
  }

  /** Forgets the source and every value; questions under way end with `not-connected`. */
  disconnect(): void {
    this.#provider = undefined;
    this.#pause = undefined;
    for (const { abandon } of this.#questions.values()) {
      abandon(notConnected());
    }
    this.#clear();
  }

  /** Makes the next use of a reference, or of all, a question to 1Password, by name. */
  invalidate(reference?: SecretReference): void {
    this.#provider?.forget(reference);
    if (reference === undefined) {
      this.#clear();
      return;
    }
    const key = formatSecretReference(reference);
    this.#remove(key);
    // An answer under way may have been read before the change that asked for this.
    this.#questions.delete(key);
  }

  /** Milliseconds since the value at hand was read, if there is one. */
  age(reference: SecretReference): number | undefined {
    const entry = this.#entries.get(formatSecretReference(reference));
    return entry?.kind === "value" ? this.#clock.now() - entry.readAt : undefined;
  }

  /** The value that is at hand, without a question. */
  cached(reference: SecretReference): Resolution | undefined {
    const key = formatSecretReference(reference);
    const entry = this.#entries.get(key);
    const provider = this.#provider;
    if (entry?.kind !== "value" || provider === undefined) {
      return undefined;
    }
    const age = this.#clock.now() - entry.readAt;
    // A busy thread, or a machine that was asleep, runs the timer late; the limit holds all the same.
    if (age >= this.#times.value || this.#clock.date() >= entry.endsAt) {
      this.#remove(key);
      return undefined;
    }
    this.#refreshAhead(key, reference, provider, age);
    return { value: entry.value, cached: true };
  }

  /**
   * @throws OneCliError: `not-connected`, or what the source answered: now, up to 30 s ago for this reference, or up
   *   to 60 s ago for all of them after a rate limit, an outage or a refused token.
   */
  async resolve(reference: SecretReference): Promise<Resolution> {
    const provider = this.#provider;
    if (provider === undefined) {
      throw notConnected();
    }
    const cached = this.cached(reference);
    if (cached !== undefined) {
      return cached;
    }
    const key = formatSecretReference(reference);
    const entry = this.#entries.get(key);
    if (entry?.kind === "refused") {
      throw entry.error;
    }
    return { value: await this.#read(key, reference, provider), cached: false };
  }

  #refreshAhead(key: string, reference: SecretReference, provider: SecretProvider, age: number): void {
    if (age >= this.#times.refresh && !this.#questions.has(key) && this.#pauseError() === undefined) {
      // Its failure shows when the value at hand has expired; until then there is nothing to report.
      this.#read(key, reference, provider).catch(() => undefined);
    }
  }

  #read(key: string, reference: SecretReference, provider: SecretProvider): Promise<SecretValue> {
    const shared = this.#questions.get(key);
    // The answer to a question from before a one-time code changed is of no use to a request from after it.
    if (shared !== undefined && this.#clock.date() < shared.endsAt) {
      return shared.answer;
    }
    const pauseError = this.#pauseError();
    if (pauseError !== undefined) {
      return Promise.reject(pauseError);
    }
    const { promise: answer, resolve, reject: abandon } = Promise.withResolvers<SecretValue>();
    const question: Question = { provider, endsAt: this.#endOf(reference), answer, abandon };
    this.#questions.set(key, question);
    this.#ask(question, key, reference)
      .finally(() => {
        if (this.#questions.get(key) === question) {
          this.#questions.delete(key);
        }
      })
      .then(resolve, abandon);
    return answer;
  }

  async #ask(question: Question, key: string, reference: SecretReference): Promise<SecretValue> {
    // The value is as old as the question, not as the answer.
    const askedAt = this.#clock.now();
    const isCurrent = () => this.#questions.get(key) === question;
    try {
      const value = await question.provider.resolve(reference);
      this.#onQuestion("ok");
      if (isCurrent()) {
        this.#keep(key, value, askedAt, question.endsAt);
      }
      return value;
    } catch (error) {
      const refusal = toOneCliError(error);
      this.#onQuestion(refusal.code);
      if (isCurrent()) {
        this.#refuse(key, refusal);
      }
      throw refusal;
    }
  }

  /** Unix time at which a value that is asked for now has to be forgotten. */
  #endOf(reference: SecretReference): number {
    const date = this.#clock.date();
    const end = date + this.#times.value;
    return isOneTimeCode(reference)
      ? Math.min(end, date - (date % oneTimeCodePeriod) + oneTimeCodePeriod)
      : end;
  }

  #keep(key: string, value: SecretValue, readAt: number, endsAt: number): void {
    const remaining = Math.min(
      readAt + this.#times.value - this.#clock.now(),
      // A code may be of the period in which it was asked for, though its answer came in the next.
      endsAt - this.#clock.date(),
    );
    this.#remove(key);
    if (remaining > 0) {
      const cancel = this.#clock.after(remaining, () => this.#entries.delete(key));
      this.#entries.set(key, { kind: "value", value, readAt, endsAt, cancel });
    }
  }

  #refuse(key: string, error: OneCliError): void {
    const now = this.#clock.now();
    if (isOneCliError(error, "onepassword-rate-limited") || isOneCliError(error, "onepassword-unreachable")) {
      this.#pause = { error, until: now + this.#times.cooldown };
    } else if (isOneCliError(error, "token-invalid")) {
      this.#pause = { error, until: now + this.#times.negative };
    } else if (this.#entries.get(key)?.kind !== "value") {
      // A value that is still at hand was read within the last minute: it stays until its time is over.
      this.#remove(key);
      const cancel = this.#clock.after(this.#times.negative, () => this.#entries.delete(key));
      this.#entries.set(key, { kind: "refused", error, cancel });
    }
  }

  /** The refusal to give while 1Password is left alone, with the seconds that are left. */
  #pauseError(): OneCliError | undefined {
    if (this.#pause === undefined) {
      return undefined;
    }
    const { error, until } = this.#pause;
    const remaining = until - this.#clock.now();
    if (remaining <= 0) {
      this.#pause = undefined;
      return undefined;
    }
    const retryAfterSeconds = Math.ceil(remaining / 1000);
    return new OneCliError(error.code, error.message, {
      cause: error,
      ...(describeError(error.code).retryable && { retryAfterSeconds }),
    });
  }

  #clear(): void {
    for (const { cancel } of this.#entries.values()) {
      cancel();
    }
    this.#entries.clear();
    this.#questions.clear();
  }

  #remove(key: string): void {
    this.#entries.get(key)?.cancel();
    this.#entries.delete(key);
  }
}

function notConnected(): OneCliError {
  return new OneCliError("not-connected", "No 1Password Service Account is connected.");
}
