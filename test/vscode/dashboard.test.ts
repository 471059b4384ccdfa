// What the dashboard's page is told, in a real extension host, and what that costs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import * as vscode from "vscode";
import { type Patch, type Snapshot, toPage, type ToPage } from "../../src/shared/webviewProtocol.ts";
import { DashboardAnswers } from "../../src/vscode/dashboardAnswers.ts";
import { DashboardFeed } from "../../src/vscode/dashboardFeed.ts";
import { startWorld, type World } from "../demo/world.ts";
import { projectRoot } from "../support/vscode/paths.ts";
import { MemorySecrets } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

const host = "api.anthropic.com";
const anthropic = "op://API Keys/Anthropic/credential";

describe("the dashboard's feed", function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  let window: TestWindow;
  let feed: DashboardFeed;
  let answers: DashboardAnswers["all"];
  const messages: ToPage[] = [];
  let onMessage = () => {};

  /** Every message is one of the contract; what it costs VS Code to send it is about what its JSON costs. */
  const listen = () => {
    feed.start((message) => {
      messages.push(toPage.parse(JSON.parse(JSON.stringify(message))));
      onMessage();
    });
  };
  const snapshot = () => messages.find((message): message is Snapshot => message.type === "snapshot");
  const patches = () => messages.filter((message): message is Patch => message.type === "patch");
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) {
      await new Promise<void>((resolve) => (onMessage = resolve));
    }
  };
  const draft = (hostname: string, secret: string, more = {}) => ({
    draft: { source: "1password" as const, hostname, path: "", secret, enabled: true, ...more },
  });
  /** Requests by another program, and the share of the time in which the main thread was busy, in per cent. */
  const storm = async (count: number, rate: number) => {
    const environment = await window.session.ensureEnvironment();
    const before = performance.eventLoopUtilization();
    const program = join(projectRoot, "test/support/storm.ts");
    const child = spawn(process.execPath, [program, host, String(count), String(rate)], {
      env: { ...process.env, ...environment?.set, ELECTRON_RUN_AS_NODE: "1" },
    });
    const [status] = (await once(child, "exit")) as [number];
    assert.equal(status, 0);
    return 100 * performance.eventLoopUtilization(before).utilization;
  };

  before(async () => {
    world = await startWorld();
    folder = await mkdtemp(join(tmpdir(), "onecli-dashboard-"));
    await writeFile(join(folder, "ca.pem"), world.authority);
    window = await TestWindow.open(new MemorySecrets(), {
      parentProxy: world.parent.url,
      extraCaCertificates: [join(folder, "ca.pem")],
    });
    feed = new DashboardFeed({
      session: window.session,
      doctor: { state: { kind: "none" }, onDidChange: new vscode.EventEmitter<void>().event },
    });
    answers = new DashboardAnswers(window.session, feed).all;
    await window.session.connect(world.service.token, () => false);
    await window.session.saveMapping({ hostname: host, reference: anthropic });
  });
  after(async () => {
    feed.dispose();
    await window.remove();
    await world.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    messages.length = 0;
  });
  afterEach(() => feed.stop());

  it("tells what happened before it was looked at, then what happens", async () => {
    assert.equal((await window.get(host, "/first?key=1")).status, 200);
    await window.until(() => feed.log.next === 1);
    listen();
    const { activity, entries, connection, traffic } = snapshot()!.state;
    const [record] = activity;
    assert.deepEqual(
      [record?.path, record?.secret, record?.cacheHit, record?.status],
      ["/first", anthropic, false, 200],
    );
    assert.deepEqual([entries[0]?.state.kind, entries[0]?.sentAs], ["ready", "x-api-key: {value}"]);
    assert.equal(connection.account.kind, "present");
    assert.ok(connection.usage!.hour >= 4, "the vaults, and a secret by its names");
    assert.equal(traffic.at(-1)!.reads + traffic.at(-2)!.reads, connection.usage!.hour);
    assert.equal((await window.get(host, "/second")).status, 200);
    await until(() => patches().some((patch) => patch.activity?.at(-1)?.path === "/second"));
    assert.deepEqual(
      patches()
        .flatMap((patch) => patch.activity ?? [])
        .map(({ seq, cacheHit }) => [seq, cacheHit]),
      [[1, true]],
    );
    assert.ok(
      patches().every((patch) => patch.entries === undefined),
      "no row came, went or was edited",
    );
  });

  it("answers what the page asks: check, save, test, enable, remove, undo", async () => {
    const { problem } = await answers.check(draft("*.com", anthropic));
    assert.match(problem?.message ?? "", /public suffix/);
    assert.equal(
      (await answers.check(draft(host, anthropic))).problem?.message,
      `${host} is mapped already.`,
    );
    assert.equal((await answers.check(draft("a.example.com", "op://a"))).problem?.part, "secret");
    assert.deepEqual(
      (
        await answers.check(
          draft("a.example.com", anthropic, { rule: { kind: "header", name: "X", value: "x" } }),
        )
      ).problem,
      { part: "ruleValue", message: "This must hold {value} exactly once." },
    );
    await assert.rejects(answers.save(draft("*.com", anthropic)), /public suffix/);
    const key = await answers.save(draft("https://API.OpenAI.com/v1", "op://API Keys/OpenAI/api-key"));
    assert.deepEqual(key, { source: "1password", id: "api.openai.com" });
    assert.ok((await answers.test({ key })).ms > 0);
    await answers.enable({ keys: [key], enabled: false });
    assert.equal(window.session.findMapping(key.id)?.enabled, false);
    const { token, removed } = await answers.remove({ keys: [key] });
    assert.equal(removed, 1);
    assert.equal(window.session.findMapping(key.id), undefined);
    await answers.undo({ token });
    assert.equal(window.session.findMapping(key.id)?.enabled, false);
    await assert.rejects(answers.undo({ token: token - 1 }), /cannot be undone/);
    await answers.remove({ keys: [key] });
    await assert.rejects(answers.test({ key }), /not there any more/);
  });

  it("puts what was removed back in its place, as much of it as there is room for", async () => {
    const names = ["a", "b", "c", "d", "e"].map((letter) => `${letter}.example.com`);
    for (const name of names) {
      await answers.save(draft(name, anthropic));
    }
    const hosts = () => window.session.entries.map(({ id }) => id);
    const keysOf = (...indices: number[]) =>
      indices.map((index) => ({ source: "1password" as const, id: names[index]! }));
    assert.deepEqual(hosts(), [host, ...names]);
    const { token } = await answers.remove({ keys: keysOf(3, 0, 1) });
    assert.deepEqual(hosts(), [host, names[2], names[4]]);
    await answers.undo({ token });
    assert.deepEqual(hosts(), [host, ...names]);
    const again = await answers.remove({ keys: keysOf(1, 3) });
    await answers.save(draft(names[3]!, anthropic));
    await assert.rejects(answers.undo(again), /d\.example\.com is mapped already/);
    assert.deepEqual(hosts(), [host, names[0], names[1], names[2], names[4], names[3]]);
    await answers.remove({ keys: keysOf(0, 1, 2, 3, 4) });
  });

  it("shows stored secrets by their names, changes them without their values, and says where they win", async () => {
    await window.session.addStoredSecret({ name: "Team key", hostname: host, path: "/team" }, "stored-value");
    listen();
    const [stored, mapping] = snapshot()!.state.entries;
    assert.deepEqual([stored?.source, stored?.secret, stored?.path], ["stored", "Team key", "/team/"]);
    assert.deepEqual(mapping?.override, { by: "Team key", all: false });
    assert.equal((await window.get(host, "/team/x")).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], "stored-value");
    await until(() => patches().some((patch) => patch.activity?.at(-1)?.secret === "Team key"));
    const key = { source: "stored" as const, id: `${host}/team/` };
    const change = { ...draft(host, " Renamed ", { source: "stored", path: "/team" }), replacing: key };
    assert.deepEqual(await answers.save(change), key);
    assert.equal((await window.get(host, "/team/x")).status, 200);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], "stored-value", "the value is kept");
    const broken = draft(host, "", { source: "stored", path: "/team" });
    assert.equal((await answers.check({ ...broken, replacing: key })).problem?.part, "secret");
    await answers.enable({ keys: [key], enabled: false });
    await until(() => patches().some((patch) => patch.entries?.[0]?.enabled === false));
    assert.ok(!JSON.stringify(messages).includes("stored-value"));
    await window.session.removeStoredSecret(window.session.findStoredSecret(key.id)!);
  });

  it("completes a reference by the names in the vaults, and asks for them once", async () => {
    const texts = async (text: string) => (await answers.complete({ text })).map((choice) => choice.text);
    assert.deepEqual(await texts(""), ["op://API Keys/", "op://Dev Tokens/"]);
    assert.deepEqual(await texts("dev"), ["op://Dev Tokens/"]);
    assert.deepEqual(await texts("op://API Keys/o"), ["op://API Keys/OpenAI/", "op://API Keys/Anthropic/"]);
    world.service.clearRequests();
    assert.deepEqual(await texts("op://api keys/"), ["op://API Keys/Anthropic/", "op://API Keys/OpenAI/"]);
    assert.equal(world.service.countReads(), 0);
    assert.ok((await texts("op://API Keys/Anthropic/")).includes(anthropic));
    assert.deepEqual(await texts("op://Nowhere/"), []);
    assert.deepEqual(await answers.vaults({}), ["API Keys", "Dev Tokens"]);
  });

  it("explains a request, and keeps what it tells to a mapping's name", async () => {
    const { result, sets, candidates } = await answers.explain({ host, path: "/v1" });
    assert.deepEqual([result, sets], ["injected", "header x-api-key"]);
    assert.equal(candidates[0]?.outcome, "wins");
    await assert.rejects(answers.explain({ host: "no host", path: "/" }), /blank/);
  });

  it("says nothing while it is hidden, and at most ten times a second while it is not", async () => {
    await storm(300, 300);
    assert.deepEqual(messages, []);
    listen();
    const before = performance.now();
    await storm(600, 300);
    const seconds = (performance.now() - before) / 1000;
    assert.ok(messages.length <= 10 * seconds + 2, `${messages.length} messages in ${seconds} s`);
    await until(() => (patches().at(-1)?.activity?.at(-1)?.seq ?? 0) === feed.log.next - 1);
  });

  // The servers that stand for the world run in this very thread, too: the difference is what the page costs.
  it("is cheap at 500 requests/s; main thread busy, idle → hidden → shown:", async function () {
    const idle = performance.eventLoopUtilization();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const quiet = 100 * performance.eventLoopUtilization(idle).utilization;
    const hidden = await storm(2_500, 500);
    listen();
    const shown = await storm(2_500, 500);
    // The reporter prints the title when the test has ended.
    this.test!.title += ` ${[quiet, hidden, shown].map((share) => `${share.toFixed(1)} %`).join(" → ")}`;
    assert.equal(patches().flatMap((patch) => patch.activity ?? []).length > 2_000, true);
  });
});
