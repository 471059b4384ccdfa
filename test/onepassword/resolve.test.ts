import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { inspect } from "node:util";
import { parseSecretReference } from "../../src/core/secretReference.ts";
import type { OnePassword } from "../../src/secrets/onePassword.ts";
import { newId } from "../support/onePassword/envelope.ts";
import { startOnePasswordService } from "../support/onePassword/service.ts";
import type { OnePasswordService } from "../support/onePassword/service.ts";
import { assertClean, canary, connect, ManualClock, read, refusal } from "./connection.ts";

const otpSecret = "JBSWY3DPEHPK3PXP";
const namesTtl = 600_000;

/** RFC 6238 with its defaults. */
function oneTimeCode(at: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  // The base32 secret above.
  const mac = createHmac("sha1", Buffer.from("48656c6c6f21deadbeef", "hex")).update(counter).digest();
  const offset = mac[19]! & 0xf;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

describe("Reading secrets", () => {
  let service: OnePasswordService;
  let provider: OnePassword;
  const clock = new ManualClock();

  before(async () => {
    service = await startOnePasswordService({
      vaults: [
        {
          title: "API Keys",
          items: [
            {
              title: "Anthropic",
              username: `${canary}-user`,
              password: `${canary}-password`,
              notes: `${canary}-notes`,
              fields: [
                { label: "credential", value: `${canary}-credential` },
                { label: "empty", value: "" },
                { label: "project id", section: "Team A", value: `${canary}-project` },
                { label: "shared", section: "Team A", value: `${canary}-shared-a` },
                { label: "shared", section: "Team B", value: `${canary}-shared-b` },
                { label: "one-time password", type: "otp", value: otpSecret },
                { label: "bad code", type: "otp", value: `${canary}!` },
              ],
            },
            { title: "Old", archived: true, password: `${canary}-old` },
            { title: "Twin", password: `${canary}-1` },
            { title: "Twin", password: `${canary}-2` },
          ],
        },
        { title: "Doubled", items: [{ title: "A", password: `${canary}-3` }] },
        { title: "Doubled", items: [{ title: "A", password: `${canary}-4` }] },
        { title: "Changing" },
      ],
    });
    provider = connect(service.token, { clock, namesTtlMs: namesTtl });
  });

  after(() => service.close());

  beforeEach(() => {
    provider.forget();
    service.clearRequests();
  });

  it("counts the requests that 1Password counts, and not those of a sign-in", async () => {
    let counted = 0;
    // The keys of the account are fetched once, with the sign-in.
    const made = () => service.requests.filter((line) => /\/vaults?\b/.test(line)).length;
    const counting = connect(service.token, { onRequests: (count) => (counted += count) });
    await read(counting, "op://API Keys/Anthropic/credential");
    assert.equal(counted, made(), "by names");
    await read(counting, "op://API Keys/Anthropic/credential");
    assert.equal(counted, made(), "by the ids that were learnt");
    const [vault] = await counting.listVaults();
    const [item] = await counting.listItems(vault!.id);
    await counting.listFields(vault!.id, item!.id);
    assert.equal(counted, made(), "names");
    assert.equal(counted, 7);
    counting.dispose();
  });

  it("makes no request before the first call", () => {
    connect(service.token);
    assert.deepEqual(service.requests, []);
  });

  it("signs in once for all calls, however many come at once", async () => {
    const values = await Promise.all(
      Array.from({ length: 10 }, () => read(provider, "op://API Keys/Anthropic/credential")),
    );
    assert.deepEqual(new Set(values), new Set([`${canary}-credential`]));
    assert.equal(service.countSignIns(), 1);
    assert.equal(clock.pending, 0);
  });

  it("hands out values that do not show", async () => {
    const value = await provider.resolve(parseSecretReference("op://API Keys/Anthropic/credential"));
    assert.equal(value.reveal(), `${canary}-credential`);
    assertClean(value);
    assertClean([provider, inspect(provider, { depth: null })], service.token);
  });

  const values: readonly (readonly [string, string])[] = [
    ["op://API Keys/Anthropic/username", "user"],
    ["op://API Keys/Anthropic/password", "password"],
    ["op://api keys/ANTHROPIC/Credential", "credential"],
    ["op://API Keys/Anthropic/Team A/project id", "project"],
    ["op://API Keys/Anthropic/project id", "project"],
    ["op://API Keys/Anthropic/Team B/shared", "shared-b"],
    ["op://API Keys/Anthropic/notesPlain", "notes"],
    ["op://API Keys/Anthropic/notes", "notes"],
  ];
  for (const [reference, suffix] of values) {
    it(`reads ${reference}, by names and by the ids learnt`, async () => {
      assert.equal(await read(provider, reference), `${canary}-${suffix}`);
      assert.equal(await read(provider, reference), `${canary}-${suffix}`);
    });
  }

  it("reads an empty field as it is", async () => {
    assert.equal(await read(provider, "op://API Keys/Anthropic/empty"), "");
    assert.equal(await read(provider, "op://API Keys/Anthropic/empty"), "");
  });

  it("reads the current one-time code", async () => {
    for (const attribute of ["otp", "totp"]) {
      const before = oneTimeCode(Date.now());
      const code = await read(provider, `op://API Keys/Anthropic/one-time password?attribute=${attribute}`);
      assert.ok([before, oneTimeCode(Date.now())].includes(code));
    }
  });

  it("asks three times for names, then once for the ids behind them", async () => {
    await read(provider, "op://API Keys/Anthropic/credential");
    assert.deepEqual(service.requests.map(shape), ["GET v1/vaults", "GET overviews", "POST batch"]);
    service.clearRequests();
    await read(provider, "op://API Keys/Anthropic/credential");
    await read(provider, "op://API Keys/Anthropic/Team A/shared");
    assert.deepEqual(service.requests.map(shape), ["GET item", "GET item"]);
  });

  it("relies on ids for ten minutes", async () => {
    await read(provider, "op://API Keys/Anthropic/credential");
    clock.advance(namesTtl - 1);
    service.clearRequests();
    await read(provider, "op://API Keys/Anthropic/credential");
    assert.equal(service.countReads(), 1);
    clock.advance(1);
    service.clearRequests();
    await read(provider, "op://API Keys/Anthropic/credential");
    assert.equal(service.countReads(), 3);
  });

  it("asks once for a reference of ids", async () => {
    const vault = service.account.vault("API Keys").id;
    const item = service.account.item("API Keys", "Anthropic").id;
    assert.equal(await read(provider, `op://${vault}/${item}/Team B/shared`), `${canary}-shared-b`);
    assert.deepEqual(service.requests.map(shape), ["GET item"]);
    assert.equal(await read(provider, `op://${vault}/Anthropic/password`), `${canary}-password`);
    assert.equal(await read(provider, `op://API Keys/${item}/password`), `${canary}-password`);
  });

  it("sees a changed value at the next call", async () => {
    service.addItem("Changing", { title: "Rotated", fields: [{ label: "key", value: "one" }] });
    assert.equal(await read(provider, "op://Changing/Rotated/key"), "one");
    service.rotate("Changing", "Rotated", "key", "two");
    assert.equal(await read(provider, "op://Changing/Rotated/key"), "two");
  });

  it("finds a renamed item by its ids until they are forgotten", async () => {
    service.addItem("Changing", { title: "Before", password: "same" });
    const reference = "op://Changing/Before/password";
    assert.equal(await read(provider, reference), "same");
    service.rename("Changing", "Before", "After");
    assert.equal(await read(provider, reference), "same");
    provider.forget(parseSecretReference(reference));
    await refusal(read(provider, reference), "reference-not-found");
    assert.equal(await read(provider, "op://Changing/After/password"), "same");
  });

  it("finds the item that took the name of an archived one", async () => {
    service.addItem("Changing", { title: "Replaced", password: "first" });
    assert.equal(await read(provider, "op://Changing/Replaced/password"), "first");
    service.archive("Changing", "Replaced");
    service.addItem("Changing", { title: "Replaced", password: "second" });
    assert.equal(await read(provider, "op://Changing/Replaced/password"), "second");
    service.clearRequests();
    assert.equal(await read(provider, "op://Changing/Replaced/password"), "second");
    assert.equal(service.countReads(), 1);
  });

  const missing: readonly (readonly [string, RegExp])[] = [
    ["op://Nowhere/Anthropic/credential", /^No vault matches/],
    ["op://Doubled/A/password", /^More than one vault matches/],
    ["op://API Keys/Nothing/credential", /^No item matches/],
    ["op://API Keys/Old/password", /^No item matches/],
    ["op://API Keys/Twin/password", /^More than one item matches/],
    ["op://API Keys/Anthropic/nothing", /^No field matches/],
    ["op://API Keys/Anthropic/Nothing/credential", /^No section matches/],
    ["op://API Keys/Anthropic/shared", /^More than one field matches/],
  ];
  for (const [reference, message] of missing) {
    it(`says which part of ${reference} matches nothing or too much (contract 28)`, async () => {
      const first = await refusal(read(provider, reference), "reference-not-found", service.token);
      assert.match(first.message, message);
      // The same when the item's ids are known from another field of it.
      await read(provider, "op://API Keys/Anthropic/credential");
      const second = await refusal(read(provider, reference), "reference-not-found", service.token);
      assert.equal(second.message, first.message);
    });
  }

  it("says which part of a reference of ids matches nothing (contract 28)", async () => {
    const vault = service.account.vault("API Keys");
    const old = vault.items.find(({ title }) => title === "Old")!;
    const expect = async (reference: string, message: RegExp) =>
      assert.match((await refusal(read(provider, reference), "reference-not-found")).message, message);
    await expect(`op://${newId()}/${newId()}/password`, /^No vault matches/);
    await expect(`op://${newId()}/Anthropic/password`, /^No vault matches/);
    await expect(`op://${vault.id}/Nothing/password`, /^No item matches/);
    await expect(`op://${vault.id}/${newId()}/password`, /^No item matches/);
    await expect(`op://${vault.id}/${old.id}/password`, /^No item matches: it was archived/);
    await expect(`op://${vault.id}/${vault.items[0]!.id}/nothing`, /^No field matches/);
  });

  it("refuses a one-time code of another field, and one of a broken secret", async () => {
    await refusal(read(provider, "op://API Keys/Anthropic/credential?attribute=otp"), "reference-invalid");
    await refusal(read(provider, "op://API Keys/Anthropic/bad code?attribute=otp"), "value-unusable");
  });

  it("signs in again by itself, once, when the session has expired", async () => {
    await read(provider, "op://API Keys/Anthropic/credential");
    service.clearRequests();
    service.expireSessions();
    const values = await Promise.all(
      Array.from({ length: 10 }, () => read(provider, "op://API Keys/Anthropic/credential")),
    );
    assert.deepEqual(new Set(values), new Set([`${canary}-credential`]));
    assert.equal(service.countSignIns(), 1);
  });

  it("is refused while the account is revoked, and reads again after that", async () => {
    service.revoke();
    await refusal(read(provider, "op://API Keys/Anthropic/credential"), "token-invalid", service.token);
    await refusal(connect(service.token).verify(), "token-invalid", service.token);
    service.restore();
    assert.equal(await read(provider, "op://API Keys/Anthropic/credential"), `${canary}-credential`);
  });

  it("does nothing after it was disposed of", async () => {
    const clock = new ManualClock();
    const other = connect(service.token, { clock });
    other.dispose();
    await refusal(read(other, "op://API Keys/Anthropic/credential"), "not-connected");
    await refusal(other.verify(), "not-connected");
    assert.deepEqual(service.requests, []);
    assert.equal(clock.pending, 0);
  });

  it("hands out nothing that arrives after it was disposed of", async () => {
    const other = connect(service.token);
    const arrived = service.nextRequest(/GET v1\/vaults/);
    const value = read(other, "op://API Keys/Anthropic/credential");
    await arrived;
    other.dispose();
    await refusal(value, "not-connected");
  });
});

/** A request without its ids. */
function shape(request: string): string {
  return request.replace(/v\d\/vault\/\w+\/(?:items\/)?/, "").replace(/ item\/\w+/, " item");
}
