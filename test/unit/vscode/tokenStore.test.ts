import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TokenStore } from "../../../src/vscode/tokenStore.ts";
import { recordingLogger } from "../../support/logger.ts";
import { MemorySecrets } from "./memory.ts";

const token = "ops_unmistakable-token-0123456789";

describe("TokenStore", () => {
  let folder: string;
  let secrets: MemorySecrets;
  let logger: ReturnType<typeof recordingLogger>;
  const open = () => new TokenStore(secrets, folder, logger);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "onecli-tokens-"));
    secrets = new MemorySecrets();
    logger = recordingLogger();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("gives back the token that was stored, also after a restart", async () => {
    await open().store(token);
    assert.equal(await open().read(), token);
  });

  it("puts the token nowhere in plain text: an AES-256-GCM envelope here, its key in a file of mode 0600 there", async () => {
    await open().store(token);
    const [stored = ""] = secrets.values.values();
    assert.equal((JSON.parse(stored) as { algorithm: string }).algorithm, "AES-256-GCM");
    const [file = ""] = await readdir(folder);
    const key = await readFile(join(folder, file));
    assert.equal(key.length, 32);
    if (process.platform !== "win32") {
      assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600);
    }
    for (const encoding of ["utf8", "base64", "hex"] as const) {
      const text = Buffer.from(token).toString(encoding).slice(0, 20);
      assert.ok(!stored.includes(text));
      assert.ok(!key.toString("latin1").includes(text));
    }
  });

  it("uses a fresh nonce for every envelope", async () => {
    await open().store(token);
    const [first] = secrets.values.values();
    await open().store(token);
    const [second] = secrets.values.values();
    assert.notEqual(first, second);
  });

  it("opens with neither half alone, and asks again instead of failing", async () => {
    await open().store(token);
    const [file = ""] = await readdir(folder);
    const key = await readFile(join(folder, file));
    await rm(join(folder, file));
    assert.equal(await open().read(), undefined);
    await writeFile(join(folder, file), Buffer.alloc(32));
    assert.equal(await open().read(), undefined);
    await writeFile(join(folder, file), key);
    assert.equal(await open().read(), token);
    secrets.values.clear();
    assert.equal(await open().read(), undefined);
  });

  for (const [what, stored] of [
    ["no JSON", "{"],
    ["another shape", '{"version":2}'],
    ["an envelope with a changed byte", "changed"],
  ] as const) {
    it(`asks again where storage holds ${what}`, async () => {
      await open().store(token);
      const [[key, envelope] = ["", ""]] = secrets.values;
      const changed = JSON.parse(envelope) as { data: string };
      const data = Buffer.from(changed.data, "base64");
      data[0] = (data[0] ?? 0) ^ 1;
      secrets.values.set(
        key,
        stored === "changed" ? JSON.stringify({ ...changed, data: data.toString("base64") }) : stored,
      );
      assert.equal(await open().read(), undefined);
      assert.ok(!logger.lines.join("\n").includes(token));
    });
  }

  it("removes both halves", async () => {
    await open().store(token);
    await open().delete();
    assert.equal(secrets.values.size, 0);
    assert.deepEqual(await readdir(folder), []);
    await open().delete();
  });

  it("ends with one key where two windows store at the same time", async () => {
    await Promise.all([open().store(token), open().store(token)]);
    assert.equal(await open().read(), token);
    assert.equal((await readdir(folder)).length, 1);
  });

  it("tells of changes, its own and those of other windows", async () => {
    let changes = 0;
    const subscription = open().onDidChange(() => changes++);
    await open().store(token);
    await secrets.store("something else", "x");
    await open().delete();
    subscription.dispose();
    await open().store(token);
    assert.equal(changes, 2);
  });

  it("fails where nothing can be stored, and leaves nothing usable behind", async () => {
    secrets.failing = true;
    await assert.rejects(open().store(token));
    assert.equal(await open().read(), undefined);
  });

  it("fails where the folder cannot be written", async function () {
    if (process.getuid?.() === 0 || process.platform === "win32") {
      await rm(folder, { recursive: true });
      await writeFile(folder, "a file where the folder should be");
    } else {
      await chmod(folder, 0o500);
    }
    await assert.rejects(open().store(token));
    assert.equal(secrets.values.size, 0);
  });
});
