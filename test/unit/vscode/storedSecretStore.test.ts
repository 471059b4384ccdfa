import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyFile } from "../../../src/vscode/keyFile.ts";
import { StoredSecretError, StoredSecretStore } from "../../../src/vscode/storedSecretStore.ts";
import { formsOf } from "../../support/canary.ts";
import { MemorySecrets } from "./memory.ts";

const key = "onecli.storedSecrets.w1";
const value = "unmistakable-VALUE-0123456789";
const input = { name: "Team key", hostname: "api.openai.com" };

describe("StoredSecretStore", () => {
  let folder: string;
  let secrets: MemorySecrets;
  const open = async (workspace = "w1") => {
    const store = new StoredSecretStore(secrets, folder, () => Promise.resolve(workspace));
    await store.load();
    return store;
  };
  const ids = (store: StoredSecretStore) => store.entries.map(({ id }) => id);
  /** Seals what a later version, or a fault, may have left. */
  const seal = async (state: unknown) => {
    const text = typeof state === "string" ? state : JSON.stringify(state);
    secrets.values.set(key, await new KeyFile(join(folder, "stored-secrets.key")).seal(text, key));
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "onecli-stored-"));
    secrets = new MemorySecrets();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("keeps stored secrets over a restart, in their order and in canonical form, for one workspace alone", async () => {
    const store = await open();
    const rule = { kind: "query", name: "key" } as const;
    await store.add({ ...input, hostname: "B.example.", path: "/%76%31", rule, enabled: false }, value);
    await store.add({ ...input, name: "  Other  " }, "second");
    const expected = [
      { name: "Team key", hostname: "b.example", path: "/v1/", rule, enabled: false, value },
      { name: "Other", hostname: "api.openai.com", value: "second" },
    ];
    const reopened = await open();
    assert.deepEqual(await reopened.withValues(), expected);
    assert.deepEqual(ids(reopened), ["b.example/v1/", "api.openai.com"]);
    assert.equal(reopened.problem, undefined);
    assert.deepEqual(await (await open("w2")).withValues(), []);
  });

  it("puts nothing anywhere in plain text: an envelope here, its key in a file of mode 0600 there", async () => {
    await (await open()).add(input, value);
    const [[name, envelope] = ["", ""]] = secrets.values;
    assert.equal(name, key);
    assert.equal((JSON.parse(envelope) as { algorithm: string }).algorithm, "AES-256-GCM");
    const [file = ""] = await readdir(folder);
    const keyBytes = await readFile(join(folder, file));
    assert.equal(keyBytes.length, 32);
    if (process.platform !== "win32") {
      assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600);
    }
    for (const text of [value, input.name, input.hostname].flatMap(formsOf)) {
      assert.ok(!envelope.toLowerCase().includes(text), text);
    }
  });

  it("hands out values to the gateway alone", async () => {
    const store = await open();
    const entry = await store.add(input, value);
    for (const shown of [entry, store.entries, store.find(entry.id), store]) {
      assert.ok(!JSON.stringify(shown).includes(value));
    }
  });

  it("changes a stored secret in its place and keeps its value unless there is another one", async () => {
    const store = await open();
    for (const hostname of ["a.example", "b.example", "c.example"]) {
      await store.add({ ...input, hostname }, `value of ${hostname}`);
    }
    await store.replace("b.example", { ...input, hostname: "z.example" });
    await store.replace("c.example", { ...input, hostname: "c.example" }, "another");
    await store.copy("a.example", { ...input, hostname: "copy.example" });
    await store.remove("a.example");
    const values = (await store.withValues()).map(({ hostname, value: held }) => [hostname, held]);
    assert.deepEqual(values, [
      ["z.example", "value of b.example"],
      ["c.example", "another"],
      ["copy.example", "value of a.example"],
    ]);
  });

  for (const [what, change] of [
    ["no host", { hostname: "*.com" }],
    ["no path", { path: "v1" }],
    ["no name", { name: " " }],
    ["a name with a control character", { name: "a\u0007b" }],
    ["a host that has one already", { hostname: "API.OpenAI.com:443" }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const store = await open();
      await store.add(input, value);
      await assert.rejects(store.add({ ...input, ...change }, value), StoredSecretError);
      assert.deepEqual(ids(store), ["api.openai.com"]);
    });
  }

  for (const [reason, unusable] of [
    ["is empty", ""],
    ["has a line break", "a\nb"],
    ["has a control character", "a\u001bb"],
    ["has a character outside Latin-1", "schlüssel–"],
  ] as const) {
    it(`refuses a value that ${reason}, and does not repeat it`, async () => {
      const store = await open();
      await assert.rejects(store.add(input, unusable), {
        name: "StoredSecretError",
        message: `The value ${reason}.`,
      });
      assert.equal(secrets.values.size, 0);
    });
  }

  it("loses nothing where two windows of a workspace change it, one after the other or at the same time as itself", async () => {
    const [first, second] = [await open(), await open()];
    await first.add({ ...input, hostname: "a.example" }, "1");
    await second.add({ ...input, hostname: "b.example" }, "2");
    await Promise.all([
      second.add({ ...input, hostname: "c.example" }, "3"),
      second.add({ ...input, hostname: "d.example" }, "4"),
      second.remove("a.example"),
    ]);
    assert.equal(await first.load(), true);
    assert.deepEqual(ids(first), ["b.example", "c.example", "d.example"]);
    assert.equal(await first.load(), false);
    await assert.rejects(first.replace("a.example", input), /another window has changed it/);
  });

  it("tells of changes of its own workspace, and that its own are none to it", async () => {
    const [first, second, elsewhere] = [await open(), await open(), await open("w2")];
    const loads: Promise<boolean>[] = [];
    const subscription = first.onDidChange(() => loads.push(first.load()));
    await first.add(input, value);
    await elsewhere.add(input, value);
    await second.remove("api.openai.com");
    subscription.dispose();
    await second.add(input, value);
    assert.deepEqual(await Promise.all(loads), [false, true]);
  });

  it("keeps a broken entry aside, says why without its value, and loses it in no later change", async () => {
    const broken = { ...input, hostname: "*.com", value };
    const twin = { ...input, hostname: "API.openai.com.", value };
    const bare = { ...input, hostname: "c.example" };
    await seal({ version: 1, secrets: [broken, { ...input, value: "right" }, twin, bare, 7] });
    const store = await open();
    assert.deepEqual(ids(store), ["api.openai.com"]);
    assert.equal(store.problem?.kind, "broken");
    assert.match(JSON.stringify(store.problem), /public suffix.*mapped twice.*value: is missing/);
    assert.ok(!JSON.stringify(store.problem).includes(value));
    await store.add({ ...input, hostname: "b.example" }, "new");
    const reopened = await open();
    assert.deepEqual(ids(reopened), ["api.openai.com", "b.example"]);
    assert.equal(reopened.problem?.kind === "broken" && reopened.problem.messages.length, 4);
  });

  it("leaves alone what a later version has written", async () => {
    const states: (() => Promise<void>)[] = [
      () => seal({ version: 2, secrets: {} }),
      () => secrets.store(key, '{"version":2,"sealed":"otherwise"}'),
    ];
    for (const write of states) {
      await write();
      const former = secrets.values.get(key);
      const store = await open();
      assert.deepEqual(store.problem, { kind: "future" });
      await assert.rejects(store.add(input, value), /later version/);
      assert.equal(secrets.values.get(key), former);
    }
  });

  it("goes on where the key file is gone, and keeps what it cannot open", async () => {
    await (await open()).add(input, value);
    const former = secrets.values.get(key);
    const [file = ""] = await readdir(folder);
    const lost = await readFile(join(folder, file));
    await rm(join(folder, file));
    const store = await open();
    assert.deepEqual(store.problem, { kind: "unopenable" });
    assert.deepEqual(await store.withValues(), []);
    await store.add({ ...input, hostname: "b.example" }, "new");
    assert.deepEqual(ids(await open()), ["b.example"]);
    assert.equal(secrets.values.get(`${key}.unopenable`), former);
    await writeFile(join(folder, file), lost);
    secrets.values.set(key, former ?? "");
    assert.deepEqual(ids(await open()), ["api.openai.com"]);
  });

  for (const stored of ["{", "null", '{"version":1}', "changed"] as const) {
    it(`opens nothing where storage holds ${stored === "changed" ? "a changed byte" : stored}`, async () => {
      await (await open()).add(input, value);
      const changed = JSON.parse(secrets.values.get(key) ?? "") as { tag: string };
      const tag = Buffer.from(changed.tag, "base64");
      tag[0] = (tag[0] ?? 0) ^ 1;
      const text = JSON.stringify({ ...changed, tag: tag.toString("base64") });
      secrets.values.set(key, stored === "changed" ? text : stored);
      assert.deepEqual((await open()).problem, { kind: "unopenable" });
    });
  }

  for (const sealed of ["no JSON", "[]", '{"secrets":[]}', '{"version":1,"secrets":{}}']) {
    it(`opens nothing where the envelope holds ${sealed}`, async () => {
      await seal(sealed);
      assert.deepEqual((await open()).problem, { kind: "unopenable" });
    });
  }

  it("opens no envelope of another workspace", async () => {
    await (await open("w2")).add(input, value);
    secrets.values.set(key, secrets.values.get("onecli.storedSecrets.w2") ?? "");
    assert.deepEqual((await open()).problem, { kind: "unopenable" });
  });

  it("keeps what it has where nothing can be stored, and names neither value nor envelope", async () => {
    const store = await open();
    await store.add(input, value);
    secrets.failing = true;
    await assert.rejects(store.add({ ...input, hostname: "b.example" }, "other"), {
      message: "Nothing was stored: VS Code's secret storage cannot be written.",
    });
    assert.deepEqual(ids(store), ["api.openai.com"]);
    assert.deepEqual((await store.withValues()).length, 1);
  });

  it("leaves nothing in storage when the last one is removed", async () => {
    const store = await open();
    await store.add(input, value);
    await store.remove("api.openai.com");
    assert.equal(secrets.values.size, 0);
  });
});
