// The management API of a window: what programs may see, and what the person is asked before anything changes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOneCliError } from "../../src/core/errors.ts";
import { type Settings } from "../../src/vscode/settings.ts";
import { type Verdict } from "../../src/vscode/apiWrites.ts";
import { startWorld, type World } from "../demo/world.ts";
import { ApiClient } from "../support/managementApi.ts";
import { MemorySecrets, MemoryState } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

const mappingsPath = "/api/vault/onepassword/mappings";
const anthropic = { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" };

describe("the API of a window", function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  let secrets: MemorySecrets;
  const windows: TestWindow[] = [];

  before(async () => {
    world = await startWorld();
    folder = await mkdtemp(join(tmpdir(), "onecli-api-"));
    await writeFile(join(folder, "ca.pem"), world.authority);
  });
  after(async () => {
    await world.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    secrets = new MemorySecrets();
  });
  afterEach(async () => {
    await Promise.all(windows.splice(0).map((window) => window.remove()));
  });

  async function open(
    settings: Partial<Settings> = {},
    options: { state?: MemoryState; timeLimit?: number } = {},
  ): Promise<TestWindow> {
    const own = {
      parentProxy: world.parent.url,
      extraCaCertificates: [join(folder, "ca.pem")],
      apiEnabled: true,
    };
    const window = await TestWindow.open(secrets, { ...own, ...settings }, options);
    windows.push(window);
    return window;
  }

  async function openWithApi(...verdicts: Verdict[]): Promise<{ window: TestWindow; api: ApiClient }> {
    const window = await open();
    window.person = () => Promise.resolve(verdicts.shift() ?? "no");
    return { window, api: await clientOf(window) };
  }

  async function clientOf({ session }: TestWindow): Promise<ApiClient> {
    const access = await session.apiAccess();
    assert.ok(access);
    return ApiClient.open(Number(new URL(access.url).port), access.token);
  }

  const accountOf = ({ session }: TestWindow) => session.account.kind;
  const ids = ({ session }: TestWindow) => session.entries.map(({ id }) => id);

  it("is off unless it is switched on", async () => {
    const window = await open({ apiEnabled: false });
    await window.session.saveMapping(anthropic);
    assert.equal(await window.session.apiAccess(), undefined);
    assert.equal(window.session.apiPort, undefined);
  });

  it("has a token of its own, kept in SecretStorage and out of terminals, and keeps its port over a reload", async () => {
    const state = new MemoryState();
    const window = await open({}, { state });
    await window.session.connect(world.service.token, () => false);
    await window.session.saveMapping(anthropic);
    const access = await window.session.apiAccess();
    const { set } = window.session.environment!;
    assert.ok(access && [...secrets.values.values()].includes(access.token));
    assert.ok(!JSON.stringify(set).includes(access.token));
    assert.notEqual(access.token, new URL(set["HTTPS_PROXY"]!).password);
    await window.close();
    const reloaded = await open({}, { state });
    assert.deepEqual(await reloaded.session.apiAccess(), access);
  });

  it("shows what is mapped, and tests it", async () => {
    const { window, api } = await openWithApi();
    await window.session.connect(world.service.token, () => false);
    await window.session.saveMapping(anthropic);
    await api.get(200, "POST", `${mappingsPath}/api.anthropic.com/test`);
    const { text } = await api.ask("GET", mappingsPath);
    assert.match(text, /"reference": "op:\/\/API Keys\/Anthropic\/credential"/);
    await api.get(200, "GET", "/api/vault/onepassword/status");
    assert.match((await api.ask("GET", "/api/ca.pem")).text, /BEGIN CERTIFICATE/);
    assert.deepEqual(window.questions, [], "nobody is asked for a look");
    assert.ok(!api.heard.join("").includes(world.secrets.anthropic));
  });

  it("maps a host after the person's yes, and asks with host, secret and rule", async () => {
    const { window, api } = await openWithApi("once");
    const json = { ...anthropic, rule: { kind: "header", name: "X-Other", value: "{value}" } };
    await api.get(201, "PUT", mappingsPath, { json });
    assert.deepEqual(ids(window), ["api.anthropic.com"]);
    const [question] = window.questions;
    assert.match(question!.message, /api\.anthropic\.com/);
    assert.match(question!.detail, /op:\/\/API Keys\/Anthropic\/credential\n/);
    assert.match(question!.detail, /X-Other/);
    await window.session.connect(world.service.token, () => false);
    await window.get("api.anthropic.com");
    assert.equal(world.upstream.received.at(-1)?.headers["x-other"], world.secrets.anthropic);
  });

  it("changes nothing after a no (403), and denies with it whatever else was waiting", async () => {
    const { window, api } = await openWithApi("no");
    await api.refused("denied", "PUT", mappingsPath, { json: anthropic });
    const { promise: answered, resolve: answer } = Promise.withResolvers<Verdict>();
    window.person = () => answered;
    const outcomes = Promise.allSettled(
      ["a.example", "b.example", "c.example"].map((hostname) =>
        window.writes.perform({ kind: "putMapping", mapping: { ...anthropic, hostname } }),
      ),
    );
    answer("no");
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === "rejected" && isOneCliError(outcome.reason, "denied"));
    }
    assert.equal(window.questions.length, 2, "asked once for all that waited");
    assert.deepEqual(ids(window), []);
  });

  it("asks one thing at a time, and loses none of the writes that were allowed", async () => {
    const window = await open();
    let asking = 0;
    window.person = async () => {
      assert.equal(++asking, 1, "one question at a time");
      await Promise.resolve();
      asking--;
      return "once";
    };
    const api = await clientOf(window);
    const hosts = Array.from({ length: 10 }, (_, index) => `h${index}.example`);
    await Promise.all(
      hosts.map((hostname) => api.get(201, "PUT", mappingsPath, { json: { ...anthropic, hostname } })),
    );
    assert.deepEqual(ids(window).sort(), hosts);
  });

  it("denies what nobody answers, and does not do it when the yes comes too late", async () => {
    const window = await open({}, { timeLimit: 50 });
    const { promise: answered, resolve: answer } = Promise.withResolvers<Verdict>();
    window.person = () => answered;
    const api = await clientOf(window);
    const message = await api.refused("denied", "PUT", mappingsPath, { json: anthropic });
    assert.match(message, /Nobody has allowed it in time/);
    answer("always");
    await window.untilTooLate();
    assert.deepEqual(ids(window), []);
  });

  it("takes no more than 20 writes that wait (429)", async () => {
    const window = await open();
    const { promise: answered, resolve: answer } = Promise.withResolvers<Verdict>();
    window.person = () => answered;
    const api = await clientOf(window);
    const put = (index: number) =>
      api.ask("PUT", mappingsPath, { json: { ...anthropic, hostname: `h${index}.example` } });
    const first = put(0);
    await window.untilAsked(1);
    const others = Array.from({ length: 21 }, (_, index) => put(index + 1));
    const refused = await Promise.race(others);
    assert.equal(refused.status, 429, refused.text);
    answer("no");
    const statuses = (await Promise.all([first, ...others])).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 429).length, 1);
    assert.equal(statuses.filter((status) => status === 403).length, 21);
  });

  it("lets Always stand for exactly this host with this secret, sent this way", async () => {
    const { window, api } = await openWithApi("always", "once", "no", "no", "no", "no");
    const put = (json: object) => api.ask("PUT", mappingsPath, { json }).then(({ status }) => status);
    assert.equal(await put(anthropic), 201);
    await api.get(204, "DELETE", `${mappingsPath}/api.anthropic.com`);
    assert.equal(window.questions.length, 2, "a removal is asked for each time");
    assert.equal(window.questions[1]?.canRemember, false);
    assert.equal(await put(anthropic), 201);
    assert.equal(window.questions.length, 2, "put back unasked");
    for (const other of [
      { ...anthropic, reference: "op://API Keys/OpenAI/api-key" },
      { ...anthropic, hostname: "evil.example" },
      { ...anthropic, path: "/v1" },
      { ...anthropic, rule: { kind: "query", name: "key" } },
    ]) {
      assert.equal(await put(other), 403);
    }
    assert.equal(window.questions.length, 6);
    assert.deepEqual(ids(window), ["api.anthropic.com"]);
  });

  it("forgets Always when the person changes or removes the mapping", async () => {
    const { window, api } = await openWithApi("always", "no", "always", "no");
    await api.get(201, "PUT", mappingsPath, { json: anthropic });
    await window.session.removeMapping("api.anthropic.com");
    await api.refused("denied", "PUT", mappingsPath, { json: anthropic });
    await api.get(201, "PUT", mappingsPath, { json: anthropic });
    await window.session.saveMapping({ ...anthropic, enabled: false }, "api.anthropic.com");
    await api.refused("denied", "PUT", mappingsPath, { json: anthropic });
    assert.equal(window.questions.length, 4);
  });

  it("asks nobody for what is as it is wanted, or cannot be", async () => {
    const { window, api } = await openWithApi();
    await window.session.saveMapping(anthropic);
    await api.get(200, "PUT", mappingsPath, { json: { ...anthropic, hostname: "API.anthropic.com." } });
    await api.refused("invalid-input", "PUT", mappingsPath, { json: { ...anthropic, hostname: "*.com" } });
    await api.refused("no-such-mapping", "DELETE", `${mappingsPath}/other.example`);
    assert.deepEqual(window.questions, []);
  });

  it("shows characters that hide others, and asks nothing that is too long to be read", async () => {
    const { window, api } = await openWithApi("no");
    const basic = (username: string) => ({ ...anthropic, rule: { kind: "basic", username } });
    await api.refused("denied", "PUT", mappingsPath, { json: basic("\u202Eevil\u200B") });
    assert.match(window.questions[0]!.detail, /\\u\{202e\}evil\\u\{200b\}/);
    await api.refused("invalid-input", "PUT", mappingsPath, { json: basic("x".repeat(3_000)) });
    assert.equal(window.questions.length, 1);
  });

  it("connects and disconnects an account after the person's yes", async () => {
    const { window, api } = await openWithApi("no", "once", "once");
    const vault = "/api/vault/onepassword/connect";
    const json = { token: world.service.token };
    await api.refused("denied", "POST", vault, { json });
    assert.equal(accountOf(window), "none");
    await api.get(200, "POST", vault, { json });
    assert.equal(accountOf(window), "present");
    await api.get(204, "DELETE", vault);
    assert.equal(accountOf(window), "none");
    assert.ok(!JSON.stringify(window.questions).includes(world.service.token.slice(4, 20)));
  });

  it("says that its fixed port is taken, and the gateway runs all the same", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const window = await open({ apiPort: port });
    assert.equal(window.session.gateway.kind, "running");
    assert.match(window.apiFaults[0] ?? "", new RegExp(`Port ${port} .*EADDRINUSE`));
    assert.equal(await window.session.apiAccess(), undefined);
    other.close();
  });

  it("ends the wait of programs when the window is closed", async () => {
    const window = await open();
    window.person = () => new Promise(() => undefined);
    const api = await clientOf(window);
    const refused = api.refused("gateway-stopping", "PUT", mappingsPath, { json: anthropic });
    await window.untilAsked(1);
    await Promise.all([refused, window.session.stop()]);
  });
});
