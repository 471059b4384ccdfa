import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOneCliError } from "../../src/core/errors.ts";
import { startWorld, type World } from "../demo/world.ts";
import { MemorySecrets, MemoryState } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

const anthropic = { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" };
const never = () => false;

describe("a window", function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  let settings: { parentProxy: string; extraCaCertificates: string[] };
  let secrets: MemorySecrets;
  const windows: TestWindow[] = [];
  const open = async (options: { state?: MemoryState; folder?: string } = {}) => {
    const window = await TestWindow.open(secrets, settings, options);
    windows.push(window);
    return window;
  };

  before(async () => {
    world = await startWorld();
    folder = await mkdtemp(join(tmpdir(), "onecli-session-"));
    await writeFile(join(folder, "ca.pem"), world.authority);
    settings = { parentProxy: world.parent.url, extraCaCertificates: [join(folder, "ca.pem")] };
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    secrets = new MemorySecrets();
    world.upstream.received.length = 0;
  });
  afterEach(async () => {
    await Promise.all(windows.splice(0).map((window) => window.remove()));
  });

  it("starts no gateway before there is anything for it to do", async () => {
    const window = await open();
    assert.equal(window.session.gateway.kind, "stopped");
    assert.equal(window.session.environment, undefined);
  });

  it("connects, maps, serves, and withdraws everything when it is disconnected", async () => {
    const window = await open();
    const { session } = window;
    const variable = () => session.environment?.set["ANTHROPIC_API_KEY"];
    const result = await session.connect(world.service.token, never);
    assert.equal(result?.vaults, 2);
    assert.match(result.account, /^local test service/);
    assert.equal(variable(), undefined, "nothing is mapped yet");
    const entry = await session.saveMapping(anthropic);
    assert.match(variable() ?? "", /placeholder/);
    assert.equal(session.stateOf(entry).kind, "unused");
    assert.equal((await window.get(entry.hostname)).status, 200);
    assert.equal(world.upstream.received[0]?.headers["x-api-key"], world.secrets.anthropic);
    await window.until(() => session.stateOf(entry).kind === "ready");
    assert.ok((await session.cacheAge(entry)) !== undefined);

    await session.disconnect();
    assert.equal(variable(), undefined, "terminals to come are left alone");
    assert.equal(secrets.values.has("onecli.account"), false);
    assert.equal((await window.get(entry.hostname)).status, 424);
    await window.until(() => session.stateOf(entry).kind === "error");
    assert.deepEqual(window.failures.at(-1), { code: "not-connected", host: entry.hostname });
    await session.removeMapping(entry.hostname);
    assert.equal(variable(), undefined);
  });

  it("keeps nothing of a token that 1Password refuses, and the account that was there before", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    await window.session.saveMapping(anthropic);
    const wrong = world.service.account.tokenWith({ srpX: "ab".repeat(32) });
    await assert.rejects(window.session.connect(wrong, never), (error) =>
      isOneCliError(error, "token-invalid"),
    );
    assert.equal(window.session.account.kind, "present");
    assert.equal((await window.get("api.anthropic.com")).status, 200);
  });

  it("keeps nothing when it is cancelled, or when the token cannot be stored", async () => {
    const window = await open();
    await window.session.saveMapping(anthropic);
    assert.equal(await window.session.connect(world.service.token, () => true), undefined);
    assert.equal(secrets.values.has("onecli.account"), false);
    assert.equal((await window.get("api.anthropic.com")).status, 424);
    secrets.failing = true;
    await assert.rejects(window.session.connect(world.service.token, never), /could not be stored/);
    secrets.failing = false;
    assert.equal(window.session.account.kind, "none");
    assert.equal((await window.get("api.anthropic.com")).status, 424);
  });

  it("disconnects at once while a connection is being made, and keeps nothing of that", async () => {
    const window = await open();
    const asked = world.service.nextRequest(/auth\/start/);
    const clear = world.service.fault({ route: /v1\/vaults/, delayMs: 500 });
    const connecting = window.session.connect(world.service.token, never);
    await asked;
    await window.session.disconnect();
    assert.equal(window.session.account.kind, "none");
    assert.equal(await connecting, undefined);
    clear();
    assert.equal(secrets.values.has("onecli.account"), false);
    await window.session.saveMapping(anthropic);
    assert.equal((await window.get("api.anthropic.com")).status, 424);
  });

  it("follows another window that connects and disconnects", async () => {
    const first = await open();
    const second = await open({ folder: first.folder });
    await first.session.saveMapping(anthropic);
    await second.session.connect(world.service.token, never);
    await first.until(() => first.session.account.kind === "present");
    assert.equal((await first.get("api.anthropic.com")).status, 200);
    await second.session.disconnect();
    await first.until(() => first.session.account.kind === "none");
    assert.equal((await first.get("api.anthropic.com")).status, 424);
  });

  it("has the same port, password and CA after a reload, and its account and mappings", async () => {
    const state = new MemoryState();
    const before = await open({ state });
    await before.session.connect(world.service.token, never);
    await before.session.saveMapping(anthropic);
    const { set } = before.session.environment ?? { set: {} };
    await before.close();
    const after = await open({ state, folder: before.folder });
    assert.deepEqual(after.session.environment?.set, set);
    assert.equal(after.portChanges, 0);
    assert.equal((await after.get("api.anthropic.com")).status, 200);
  });

  it("takes another port where its own is taken, and says so", async () => {
    const state = new MemoryState();
    const before = await open({ state });
    await before.session.saveMapping(anthropic);
    const portOf = async ({ session }: TestWindow) =>
      Number(new URL((await session.ensureEnvironment())?.set["HTTPS_PROXY"] ?? "").port);
    const port = await portOf(before);
    await before.close();
    const squatter: Server = createServer().listen(port, "127.0.0.1");
    await once(squatter, "listening");
    try {
      const after = await open({ state, folder: before.folder });
      assert.equal(after.portChanges, 1);
      assert.notEqual(await portOf(after), port);
    } finally {
      squatter.close();
    }
  });

  it("uses a changed mapping for the next request, and its own header where it has one", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    await window.session.saveMapping(anthropic);
    await window.get("api.anthropic.com");
    await window.session.saveMapping(
      {
        ...anthropic,
        reference: "op://API Keys/OpenAI/api-key",
        rule: { kind: "header", name: "X-Token", value: "key={value}" },
      },
      "api.anthropic.com",
    );
    await window.get("api.anthropic.com");
    const { headers } = world.upstream.received.at(-1)!;
    assert.equal(headers["x-token"], `key=${world.secrets.openai}`);
    assert.equal(headers["x-api-key"], undefined);
  });

  it("shows a mapping whose secret is not there, and why, and that it is there again", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    const entry = await window.session.saveMapping({
      ...anthropic,
      reference: "op://API Keys/Nobody/credential",
    });
    await assert.rejects(window.session.testEntry(entry), (error) =>
      isOneCliError(error, "reference-not-found"),
    );
    const state = window.session.stateOf(entry);
    assert.ok(state.kind === "error");
    assert.match(state.reason, /item/);
    const mended = await window.session.saveMapping(anthropic, entry.hostname);
    await window.session.testEntry(mended);
    assert.equal(window.session.stateOf(mended).kind, "ready");
  });

  it("tells two mappings of one host apart by their paths: secrets, states, changes, removal", async () => {
    const { session, get, until } = await openWithPaths();
    const [whole, admin] = session.entries;
    assert.ok(whole !== undefined && admin !== undefined);
    assert.deepEqual([whole.id, admin.id], ["api.anthropic.com", "api.anthropic.com/v1/admin/"]);
    await get("api.anthropic.com", "/v1/admin/users");
    const [first] = world.upstream.received;
    assert.equal(
      first?.headers.authorization,
      `Basic ${Buffer.from(`me:${world.secrets.openai}`).toString("base64")}`,
    );
    await until(() => session.stateOf(admin).kind === "ready");
    assert.equal(session.stateOf(whole).kind, "unused");
    const { path, ...everywhere } = admin.stored;
    await assert.rejects(session.saveMapping(everywhere, admin.id), /api\.anthropic\.com is mapped already/);
    await session.removeMapping(whole.id);
    assert.equal((await get("api.anthropic.com", "/v1/messages", "x-api-key: own")).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], "own");
    const moved = await session.saveMapping(everywhere, admin.id);
    assert.deepEqual(
      session.entries.map(({ id }) => id),
      ["api.anthropic.com"],
    );
    assert.equal(session.stateOf(moved).kind, "unused");
  });

  async function openWithPaths() {
    const window = await open();
    await window.session.connect(world.service.token, never);
    await window.session.saveMapping(anthropic);
    await window.session.saveMapping({
      ...anthropic,
      path: "/v1/admin",
      reference: "op://API Keys/OpenAI/api-key",
      rule: { kind: "basic", username: "me" },
    });
    return {
      session: window.session,
      get: window.get.bind(window),
      until: window.until.bind(window),
    };
  }

  it("says of a placeholder that it went to another host than its service's", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    await window.session.saveMapping(anthropic);
    const openai = { hostname: "api.openai.com", reference: "op://API Keys/OpenAI/api-key" };
    await window.session.saveMapping(openai);
    const placeholder = window.session.environment?.set["OPENAI_API_KEY"] ?? "";
    await window.get("api.openai.com", "/", `Authorization: Bearer ${placeholder}`);
    await window.get("api.anthropic.com", "/", `X-Other: ${placeholder}`);
    await window.until(() => window.leaks.length > 0);
    assert.deepEqual(window.leaks, [{ service: "openai", host: "api.anthropic.com" }]);
  });

  const key = { name: "Team key", hostname: "api.anthropic.com" };
  const stored = "sk-ant-api03-stored-0123456789";

  it("serves stored secrets without an account, and to the terminals with their service's placeholder", async () => {
    const window = await open();
    const { session } = window;
    const entry = await session.addStoredSecret(key, stored);
    assert.match(session.environment?.set["ANTHROPIC_API_KEY"] ?? "", /placeholder/i);
    assert.equal(session.stateOf(entry).kind, "unused");
    assert.equal((await window.get("api.anthropic.com")).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], stored);
    await window.until(() => session.stateOf(entry).kind === "ready");
    await session.removeStoredSecret(entry);
    assert.equal(session.environment, undefined);
    assert.ok(![...secrets.values.values()].some((text) => text.includes(stored)));
  });

  it("sends a stored secret before a mapping of the same host, and tells their states apart", async () => {
    const window = await open();
    const { session } = window;
    await session.connect(world.service.token, never);
    const mapping = await session.saveMapping(anthropic);
    const entry = await session.addStoredSecret(key, stored);
    await window.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], stored);
    await window.until(() => session.stateOf(entry).kind === "ready");
    assert.equal(session.stateOf(mapping).kind, "unused");
    const { candidates } = await session.explainRequest("api.anthropic.com", "/v1/messages");
    assert.deepEqual(
      candidates.map(({ source, outcome }) => [source, outcome]),
      [
        ["stored", "wins"],
        ["1password", "stored-wins"],
      ],
    );
    await session.changeStoredSecret(entry, { ...entry.stored, enabled: false });
    await window.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
    await window.until(() => session.stateOf(mapping).kind === "ready");
  });

  it("keeps the value of a stored secret when something else is changed, and sends another at once", async () => {
    const window = await open();
    const { session } = window;
    const entry = await session.addStoredSecret(key, stored);
    const rule = { kind: "header", name: "X-Key", value: "k={value}" } as const;
    await session.changeStoredSecret(entry, { ...entry.stored, rule });
    await window.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-key"], `k=${stored}`);
    await session.changeStoredSecret(entry, entry.stored, "another");
    await window.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], "another");
    await session.copyStoredSecret(entry, { ...entry.stored, hostname: "api.openai.com" });
    await window.get("api.openai.com");
    assert.equal(world.upstream.received.at(-1)?.headers.authorization, "Bearer another");
  });

  it("has its stored secrets after a reload, and they follow another window of the workspace", async () => {
    const state = new MemoryState();
    const first = await open({ state });
    await first.session.addStoredSecret(key, stored);
    const same = state.copy();
    await same.update("onecli.port", undefined);
    const second = await open({ state: same, folder: first.folder });
    assert.equal((await second.get("api.anthropic.com")).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], stored);
    const [entry] = second.session.storedSecrets;
    await second.session.changeStoredSecret(entry!, entry!.stored, "from the second");
    await second.session.addStoredSecret({ ...key, hostname: "api.openai.com" }, "and more");
    await first.until(() => first.session.storedSecrets.length === 2);
    await first.session.storedSecretsChanged();
    await first.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], "from the second");
    await second.session.removeStoredSecret(second.session.storedSecrets[0]!);
    await first.until(() => first.session.storedSecrets.length === 1);
  });

  it("explains hosts that nothing is for, and those that are none", async () => {
    const { session } = await open();
    const { result, candidates } = await session.explainRequest("example.com", "/");
    assert.deepEqual([result, candidates], ["untouched", []]);
    await assert.rejects(session.explainRequest("a b", "/"), (error) => isOneCliError(error, "bad-request"));
  });

  it("lists names for the picker", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    const vaults = await window.session.listVaults();
    assert.deepEqual(
      vaults.map(({ title }) => title),
      ["API Keys", "Dev Tokens"],
    );
    const [item] = await window.session.listItems(vaults[0]!.id);
    const fields = await window.session.listFields(vaults[0]!.id, item!.id);
    assert.deepEqual(
      fields.map(({ label }) => label),
      ["credential"],
    );
    assert.ok(!JSON.stringify(fields).includes(world.secrets.anthropic));
  });

  it("leaves terminals alone where the settings say so", async () => {
    const window = await open();
    await window.session.connect(world.service.token, never);
    await window.session.saveMapping(anthropic);
    for (const terminals of ["profileOnly", "off"] as const) {
      window.settings = { ...window.settings, terminals };
      assert.equal(window.session.environment, undefined);
    }
    assert.equal(await window.session.ensureEnvironment(), undefined);
    window.settings = { ...window.settings, terminals: "profileOnly" };
    assert.ok((await window.session.ensureEnvironment())?.set["HTTPS_PROXY"]);
  });

  it("names the setting whose certificate file cannot be used", async () => {
    const window = await open();
    window.settings = { ...window.settings, extraCaCertificates: [join(folder, "none.pem")] };
    await assert.rejects(
      window.session.saveMapping(anthropic),
      /onecli\.extraCaCertificates names .*none\.pem/,
    );
  });
});
