import assert from "node:assert/strict";
import { isOneCliError, OneCliError } from "../../../src/core/errors.ts";
import { type Clock, type SecretProvider } from "../../../src/core/ports.ts";
import { parseSecretReference, type SecretReference } from "../../../src/core/secretReference.ts";
import { SecretValue } from "../../../src/core/secretValue.ts";
import { Resolver } from "../../../src/secrets/resolver.ts";

const reference = parseSecretReference("op://Vault/Item/field");
const other = parseSecretReference("op://Vault/Item/other");

/** Time that passes when a test says so; what is due runs in order. */
class TestClock implements Clock {
  #now = 0;
  /** Unix time at the beginning: that of a period of one-time codes. */
  #start = 1_700_000_010_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  date(): number {
    return this.#start + this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Time on the wall alone. */
  sleep(milliseconds: number): void {
    this.#start += milliseconds;
  }

  advance(milliseconds: number, { late = false } = {}): void {
    this.#now += milliseconds;
    for (const timer of late ? [] : [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now) {
        this.#timers.delete(timer);
        timer.callback();
      }
    }
  }
}

/** A source that counts, and answers what it is told: at once, or when released. */
class TestProvider implements SecretProvider {
  asked: SecretReference[] = [];
  forgotten: (SecretReference | undefined)[] = [];
  answer: () => string = () => `value ${this.asked.length}`;
  #gate: Promise<undefined> | undefined;

  /** Answers are held back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#gate = promise;
    return () => {
      this.#gate = undefined;
      resolve(undefined);
    };
  }

  async resolve(asked: SecretReference): Promise<SecretValue> {
    this.asked.push(asked);
    const { answer } = this;
    await this.#gate;
    return new SecretValue(answer());
  }

  forget(which?: SecretReference): void {
    this.forgotten.push(which);
  }
}

function setUp() {
  const clock = new TestClock();
  const provider = new TestProvider();
  const resolver = new Resolver(clock);
  resolver.connect(provider);
  const value = async (which = reference) => (await resolver.resolve(which)).value.reveal();
  return { clock, provider, resolver, value };
}

const refuses = (code: OneCliError["code"]) => (error: unknown) => isOneCliError(error, code);
const failing = (code: OneCliError["code"]) => () => {
  throw new OneCliError(code, "told to");
};

describe("Resolver: the cache", () => {
  it("asks once and answers from memory for 60 seconds", async () => {
    const { clock, provider, resolver } = setUp();
    assert.equal((await resolver.resolve(reference)).cached, false);
    clock.advance(44_000);
    assert.equal((await resolver.resolve(reference)).cached, true);
    assert.equal(provider.asked.length, 1);
  });

  it("is emptied by a timer, not by the next use", async () => {
    const { clock, resolver, value } = setUp();
    await value();
    assert.equal(resolver.age(reference), 0);
    assert.equal(clock.pending, 1);
    clock.advance(60_000);
    assert.equal(resolver.age(reference), undefined);
    assert.equal(clock.pending, 0);
  });

  it("never answers with a value older than 60 seconds, even if the timer is late (contract 32)", async () => {
    const { clock, value } = setUp();
    assert.equal(await value(), "value 1");
    clock.advance(60_000, { late: true });
    assert.equal(await value(), "value 2");
  });

  it("counts a value's age from the question, not from the answer (contract 32)", async () => {
    const { clock, provider, resolver } = setUp();
    const release = provider.hold();
    const first = resolver.resolve(reference);
    clock.advance(14_000);
    release();
    await first;
    assert.equal(resolver.age(reference), 14_000);
    clock.advance(46_000);
    assert.equal(resolver.age(reference), undefined);
  });

  it("reads a busy value again before it expires, and nothing for an idle one (contract 32)", async () => {
    const { clock, provider, resolver, value } = setUp();
    await value();
    clock.advance(50_000);
    assert.equal(await value(), "value 1");
    assert.equal(provider.asked.length, 2);
    await Promise.resolve();
    clock.advance(1_000);
    assert.equal(await value(), "value 2");
    clock.advance(600_000);
    assert.equal(provider.asked.length, 2);
    assert.equal(resolver.age(reference), undefined);
  });

  it("keeps a value until its time is over when reading it again fails", async () => {
    const { clock, provider, value } = setUp();
    await value();
    provider.answer = failing("reference-not-found");
    clock.advance(50_000);
    assert.equal(await value(), "value 1");
    await new Promise(setImmediate);
    assert.equal(await value(), "value 1");
    clock.advance(10_000);
    await assert.rejects(value(), refuses("reference-not-found"));
  });

  const code = parseSecretReference("op://Vault/Item/field?attribute=otp");

  it("keeps a one-time code to the end of its period, wherever in it the code was read", async () => {
    const { clock, provider, resolver, value } = setUp();
    clock.advance(29_000);
    assert.equal(await value(code), "value 1");
    clock.advance(999);
    assert.equal(await value(code), "value 1");
    clock.advance(1);
    assert.equal(resolver.age(code), undefined, "forgotten by the timer");
    assert.equal(await value(code), "value 2");
    clock.advance(29_999);
    assert.equal(await value(code), "value 2");
    assert.equal(provider.asked.length, 2);
    clock.advance(1, { late: true });
    assert.equal(await value(code), "value 3", "the timer is late");
  });

  it("never reads a one-time code ahead: the next one would be forgotten with it", async () => {
    const { clock, provider, value } = setUp();
    for (let elapsed = 0; elapsed < 120_000; elapsed += 1_000) {
      assert.equal(await value(code), `value ${Math.floor(elapsed / 30_000) + 1}`);
      clock.advance(1_000);
    }
    assert.equal(provider.asked.length, 4);
  });

  it("keeps no one-time code that was asked for in one period and came in the next", async () => {
    const { clock, provider, resolver, value } = setUp();
    clock.advance(29_000);
    const release = provider.hold();
    const early = [value(code), value(code)];
    clock.advance(2_000);
    release();
    assert.deepEqual(await Promise.all(early), ["value 1", "value 1"]);
    assert.equal(resolver.age(code), undefined);
    assert.equal(await value(code), "value 2");
    assert.equal(await value(code), "value 2");
  });

  it("asks again for a request that begins in the next period, though the last answer is under way", async () => {
    const { clock, provider, value } = setUp();
    clock.advance(29_000);
    const release = provider.hold();
    provider.answer = () => "of the first period";
    const early = value(code);
    clock.advance(1_000);
    provider.answer = () => "of the second period";
    const late = [value(code), value(code)];
    release();
    assert.equal(await early, "of the first period");
    assert.deepEqual(await Promise.all(late), ["of the second period", "of the second period"]);
    assert.equal(provider.asked.length, 2);
    assert.equal(await value(code), "of the second period");
    assert.equal(provider.asked.length, 2);
  });

  it("forgets values that the clock on the wall has outlived: the machine was asleep", async () => {
    const { clock, value } = setUp();
    assert.equal(await value(), "value 1");
    clock.sleep(60_000);
    assert.equal(await value(), "value 2");
  });

  it("is dropped for one reference, or for all, by invalidate", async () => {
    const { provider, resolver, value } = setUp();
    await value();
    await value(other);
    resolver.invalidate(reference);
    assert.deepEqual(provider.forgotten, [reference]);
    assert.equal(await value(), "value 3");
    assert.equal(await value(other), "value 2");
    resolver.invalidate();
    assert.equal(await value(other), "value 4");
  });

  it("does not keep an answer that was under way when its reference was invalidated", async () => {
    const { provider, resolver, value } = setUp();
    const release = provider.hold();
    provider.answer = () => "old";
    const early = value();
    resolver.invalidate(reference);
    provider.answer = () => "fresh";
    const late = value();
    release();
    assert.equal(await early, "old");
    assert.equal(await late, "fresh");
    assert.equal(await value(), "fresh");
  });
});

describe("Resolver: many at once", () => {
  it("asks once for 1,000 concurrent requests", async () => {
    const { provider, value } = setUp();
    const values = await Promise.all(Array.from({ length: 1_000 }, () => value()));
    assert.deepEqual(new Set(values), new Set(["value 1"]));
    assert.equal(provider.asked.length, 1);
  });

  it("shares a failure as well (contract 16)", async () => {
    const { provider, value } = setUp();
    provider.answer = failing("onepassword-unreachable");
    const results = await Promise.allSettled(Array.from({ length: 100 }, () => value()));
    assert.ok(results.every(({ status }) => status === "rejected"));
    assert.equal(provider.asked.length, 1);
  });
});

describe("Resolver: refusals", () => {
  it("remembers for 30 seconds that a reference leads nowhere, for that reference alone (contract 17)", async () => {
    const { clock, provider, value } = setUp();
    provider.answer = failing("reference-not-found");
    await assert.rejects(value(), refuses("reference-not-found"));
    clock.advance(29_999);
    await assert.rejects(value(), refuses("reference-not-found"));
    assert.equal(provider.asked.length, 1);
    provider.answer = () => "found";
    assert.equal(await value(other), "found");
    clock.advance(1);
    assert.equal(await value(), "found");
  });

  for (const code of ["onepassword-rate-limited", "onepassword-unreachable"] as const) {
    it(`leaves 1Password alone for 60 seconds after ${code}, and serves what it has (contract 17)`, async () => {
      const { clock, provider, value } = setUp();
      await value();
      provider.answer = failing(code);
      await assert.rejects(value(other), refuses(code));
      const before = provider.asked.length;
      clock.advance(20_000);
      await assert.rejects(
        value(other),
        (error) => isOneCliError(error, code) && error.retryAfterSeconds === 40,
      );
      assert.equal(await value(), "value 1");
      assert.equal(provider.asked.length, before);
      provider.answer = () => "back";
      clock.advance(40_000);
      assert.equal(await value(other), "back");
    });
  }

  it("remembers a refused token for 30 seconds, for all references (contract 17)", async () => {
    const { clock, provider, value } = setUp();
    provider.answer = failing("token-invalid");
    await assert.rejects(value(), refuses("token-invalid"));
    await assert.rejects(value(other), refuses("token-invalid"));
    assert.equal(provider.asked.length, 1);
    provider.answer = () => "back";
    clock.advance(30_000);
    assert.equal(await value(other), "back");
  });
});

describe("Resolver: the connection", () => {
  it("refuses with not-connected before and after a connection", async () => {
    const { resolver, value } = setUp();
    await value();
    resolver.disconnect();
    await assert.rejects(value(), refuses("not-connected"));
    await assert.rejects(new Resolver(new TestClock()).resolve(reference), refuses("not-connected"));
  });

  it("throws away an answer that arrives after the disconnection", async () => {
    const { provider, resolver, value } = setUp();
    const release = provider.hold();
    const waiting = value();
    resolver.disconnect();
    release();
    await assert.rejects(waiting, refuses("not-connected"));
    assert.equal(resolver.age(reference), undefined);
  });

  it("lets the earlier source answer what it was asked, keeps none of that, and asks its replacement from then on", async () => {
    const { provider, resolver, value } = setUp();
    const release = provider.hold();
    const asked = value();
    const replacement = new TestProvider();
    replacement.answer = () => "of the replacement";
    let answered = false;
    const replaced = resolver.replace(replacement).then(() => (answered = true));
    assert.equal(await value(), "of the replacement");
    assert.equal(answered, false);
    release();
    assert.equal(await asked, "value 1");
    await replaced;
    assert.equal(await value(), "of the replacement");
    assert.deepEqual([provider.asked.length, replacement.asked.length], [1, 1]);
  });

  it("ends the wait for an answer at once when it is disconnected, however long the source takes", async () => {
    const { provider, resolver, value } = setUp();
    provider.hold();
    const waiting = [value(), value(), value(other)];
    resolver.disconnect();
    for (const { status } of await Promise.allSettled(waiting)) {
      assert.equal(status, "rejected");
    }
    await assert.rejects(waiting[0]!, refuses("not-connected"));
  });

  it("does not take an old account's answer, or its cooldown, into a new connection", async () => {
    const { provider, resolver, value } = setUp();
    const release = provider.hold();
    provider.answer = failing("onepassword-unreachable");
    const waiting = value();
    const successor = new TestProvider();
    successor.answer = () => "of the new account";
    resolver.connect(successor);
    release();
    await assert.rejects(waiting, refuses("not-connected"));
    assert.equal(await value(), "of the new account");
  });
});
