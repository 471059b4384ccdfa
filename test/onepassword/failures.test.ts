import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Client } from "@1password/sdk";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { OnePassword } from "../../src/secrets/onePassword.ts";
import { aesJwk } from "../support/onePassword/envelope.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import type { OnePasswordService } from "../support/onePassword/service.ts";
import { canary, connect, ManualClock, read, refusal } from "./connection.ts";

const reference = "op://API Keys/Anthropic/credential";
const value = `${canary}-credential`;

describe("When 1Password does not answer as hoped", () => {
  let service: OnePasswordService;
  let provider: OnePassword;
  let vaultId: string;
  let itemId: string;

  before(async () => {
    service = await startOnePasswordService({
      vaults: [
        { title: "API Keys", items: [{ title: "Anthropic", fields: [{ label: "credential", value }] }] },
      ],
    });
    provider = connect(service.token);
    vaultId = service.account.vault("API Keys").id;
    itemId = service.account.item("API Keys", "Anthropic").id;
    await read(provider, reference);
  });

  after(() => service.close());

  afterEach(() => {
    service.clearFaults();
    service.restore();
  });

  beforeEach(() => service.clearRequests());

  const outage: ErrorCode = "onepassword-unreachable";
  const statuses: readonly (readonly [number, ErrorCode, ErrorCode])[] = [
    [400, outage, outage],
    [401, "token-invalid", "token-invalid"],
    [403, "token-invalid", "reference-not-found"],
    [404, outage, "reference-not-found"],
    [408, outage, outage],
    [409, outage, outage],
    [418, outage, outage],
    [429, "onepassword-rate-limited", "onepassword-rate-limited"],
    [500, outage, outage],
    [502, outage, outage],
    [503, outage, outage],
    [504, outage, outage],
  ];
  for (const [status, atSignIn, later] of statuses) {
    it(`takes ${status} at sign-in for ${atSignIn}, otherwise for ${later}`, async () => {
      service.fault({ status });
      const refusals = [
        await refusal(read(connect(service.token), reference), atSignIn, service.token),
        await refusal(read(provider, reference), later, service.token),
        await refusal(read(provider, `op://${vaultId}/${itemId}/credential`), later, service.token),
        await refusal(provider.verify(), later, service.token),
        await refusal(provider.listItems(vaultId), later, service.token),
        await refusal(provider.listFields(vaultId, itemId), later, service.token),
      ];
      for (const { code, retryAfterSeconds } of refusals) {
        const expected = { "onepassword-rate-limited": 60, "onepassword-unreachable": 5 }[code as string];
        assert.equal(retryAfterSeconds, expected);
      }
      service.clearFaults();
      assert.equal(await read(provider, reference), value);
    });
  }

  for (const route of [/items\/overviews/, /items\/batch/]) {
    it(`says that a rate limit is one where only ${String(route)} meets it`, async () => {
      service.fault({ route, status: 429 });
      service.fault({ route: /\/item\//, status: 429 });
      await refusal(read(provider, reference), "onepassword-rate-limited");
      provider.forget();
      await refusal(read(provider, reference), "onepassword-rate-limited");
    });
  }

  it("reads by names where only the way by ids is blocked", async () => {
    await read(provider, reference);
    service.fault({ route: /\/item\//, status: 500 });
    assert.equal(await read(provider, reference), value);
  });

  it("takes a failed renewal of the session for what it is", async () => {
    for (const [status, code] of [
      [401, "token-invalid"],
      [429, "onepassword-rate-limited"],
      [503, outage],
    ] as const) {
      service.expireSessions();
      const remove = service.fault({ route: /auth\/start/, status });
      await refusal(read(provider, reference), code);
      remove();
      assert.equal(await read(provider, reference), value);
    }
  });

  it("says that a connection broke", async () => {
    service.fault({ drop: true });
    await refusal(read(connect(service.token), reference), outage, service.token);
    await refusal(read(provider, reference), outage, service.token);
    await refusal(provider.listVaults(), outage, service.token);
  });

  it("says that nobody listens", async () => {
    const gone = await startOnePasswordService();
    await gone.close();
    await refusal(connect(gone.token).verify(), outage, gone.token);
  });

  it("says that the keys of a token are wrong", async () => {
    const token = service.account.tokenWith({ muk: aesJwk(randomBytes(32), "mp") });
    const other = connect(token);
    await refusal(other.verify(), "token-invalid", token);
    await refusal(read(other, reference), "token-invalid", token);
  });

  it("refuses a token with another password", async () => {
    const token = service.account.tokenWith({ srpX: randomBytes(32).toString("hex") });
    await refusal(connect(token).verify(), "token-invalid", token);
  });

  it("does not take an answer that lacks something", async () => {
    const tell = async (route: RegExp, call: () => Promise<unknown>) => {
      const remove = service.fault({ route, edit: () => ({ status: "ok" }) });
      await refusal(call(), outage);
      remove();
    };
    for (const route of [/auth\/start/, /POST v2\/auth$/, /confirm-key/, /complete/]) {
      await tell(route, () => connect(service.token).verify());
    }
    await tell(/v1\/vaults/, () => provider.verify());
    await tell(/overviews/, () => provider.listItems(vaultId));
    await tell(/\/item\//, () => provider.listFields(vaultId, itemId));
    service.fault({ status: 200, body: { some: "thing" } });
    await refusal(provider.verify(), outage);
  });

  it("does not take a server that cannot prove itself", async () => {
    service.fault({ route: /confirm-key/, edit: () => ({ serverVerifyHash: "AAAA" }) });
    const error = await refusal(connect(service.token).verify(), outage);
    assert.match(error.message, /could not prove/);
  });

  it("waits 15 seconds for a sign-in, then signs in anew (contract 16)", async () => {
    const clock = new ManualClock();
    const other = connect(service.token, { clock });
    service.fault({ route: /auth\/start/, hang: true, times: 1 });
    const arrived = service.nextRequest(/auth\/start/);
    const calls = [read(other, reference), other.listVaults()];
    let settled = false;
    const refusals = calls.map((call) => refusal(call, outage).finally(() => (settled = true)));
    await arrived;
    clock.advance(14_999);
    await turn();
    assert.equal(settled, false);
    clock.advance(1);
    for (const error of await Promise.all(refusals)) {
      assert.equal(error.message, "1Password did not answer within 15 seconds.");
    }
    assert.equal(await read(other, reference), value);
    assert.equal(service.countSignIns(), 2);
    assert.equal(clock.pending, 0);
  });

  it("counts the sign-in into the 15 seconds of a call (contract 16)", async () => {
    const clock = new ManualClock();
    const other = connect(service.token, { clock });
    service.fault({ route: /v1\/vaults/, hang: true, times: 1 });
    const signingIn = service.nextRequest(/complete/);
    const reading = service.nextRequest(/v1\/vaults/);
    const call = refusal(read(other, reference), outage);
    await signingIn;
    clock.advance(14_000);
    await reading;
    clock.advance(1_000);
    await call;
  });

  it("does not stay behind a request that hangs, even one that renews the session", async () => {
    const clock = new ManualClock();
    const other = connect(service.token, { clock });
    await read(other, reference);
    for (const route of [/\/item\//, /auth\/start/]) {
      service.expireSessions();
      service.fault({ route, hang: true, times: 1 });
      const arrived = service.nextRequest(route);
      const call = refusal(read(other, reference), outage);
      await arrived;
      clock.advance(15_000);
      await call;
      assert.equal(await read(other, reference), value);
    }
  });

  it("has a limit of its own making if wanted", async () => {
    service.fault({ hang: true });
    const error = await refusal(connect(service.token, { timeoutMs: 50 }).verify(), outage);
    assert.match(error.message, /within 0\.05 seconds/);
  });

  it("does not mind how an abandoned call ends", async () => {
    const clock = new ManualClock();
    const late = Promise.withResolvers<Client>();
    const other = connect(service.token, {
      clock,
      loadSdk: () => Promise.resolve({ createClient: () => late.promise }),
    });
    const call = refusal(other.verify(), outage);
    await turn();
    clock.advance(15_000);
    await call;
    // Mocha fails the run on a rejection that nobody handles.
    late.reject(new Error("too late"));
    await turn();
  });

  it("loads the SDK again after that has failed", async () => {
    let attempts = 0;
    const other = connect(service.token, {
      loadSdk: () => (++attempts === 1 ? Promise.reject(new Error("no file")) : import("@1password/sdk")),
    });
    assert.equal(attempts, 0);
    await refusal(other.verify(), "internal");
    assert.equal((await other.verify()).vaults, 1);
    assert.equal(attempts, 2);
  });
});
