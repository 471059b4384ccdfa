// Which parent proxy a window's gateway has, by the real settings of this VS Code.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { onDidChangeSettings, readSettings, SettingError } from "../../src/vscode/settings.ts";
import { startWorld, type World } from "../demo/world.ts";
import { LeadingProxy } from "../support/leadingProxy.ts";
import { MemorySecrets } from "../unit/vscode/memory.ts";
import { TestWindow } from "./window.ts";

const host = "api.anthropic.com";
const mapping = { hostname: host, reference: "op://API Keys/Anthropic/credential" };
const names = [
  "onecli.parentProxy",
  "onecli.noProxy",
  "onecli.extraCaCertificates",
  "http.proxy",
  "http.proxyAuthorization",
  "http.noProxy",
] as const;
type Values = Partial<Record<(typeof names)[number], unknown>>;

describe("a window's parent proxy", function () {
  this.timeout(60_000);
  let world: World;
  let folder: string;
  let onePassword: string;
  const parents: Record<"ours" | "editors" | "environments", LeadingProxy> = {} as never;
  let window: TestWindow | undefined;

  before(async () => {
    world = await startWorld();
    folder = await mkdtemp(join(tmpdir(), "onecli-parents-"));
    await writeFile(join(folder, "ca.pem"), world.authority);
    onePassword = new URL(world.service.address).host;
    for (const name of ["ours", "editors", "environments"] as const) {
      parents[name] = await LeadingProxy.start();
      parents[name].routes.set(`${host}:443`, world.upstream.port);
    }
  });
  after(async () => {
    await Promise.all([world.stop(), ...Object.values(parents).map((parent) => parent.close())]);
    await rm(folder, { recursive: true });
  });
  afterEach(async () => {
    await window?.remove();
    window = undefined;
    delete process.env["HTTPS_PROXY"];
    parents.editors.login = undefined;
    forget();
    await configure(Object.fromEntries(names.map((name) => [name, undefined])));
  });

  async function configure(values: Values): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      await vscode.workspace.getConfiguration().update(name, value, vscode.ConfigurationTarget.Global);
    }
  }

  async function open(values: Values): Promise<TestWindow> {
    await configure({ "onecli.extraCaCertificates": [join(folder, "ca.pem")], ...values });
    window = await TestWindow.open(new MemorySecrets(), readSettings());
    await window.session.connect(world.service.token, () => false);
    await window.session.saveMapping(mapping);
    return window;
  }

  function forget(): void {
    for (const parent of Object.values(parents)) {
      parent.asked.length = 0;
      parent.askedLocally.length = 0;
    }
  }

  /** Changes settings in the running window, as a person does. */
  async function change(opened: TestWindow, values: Values): Promise<void> {
    await configure(values);
    opened.settings = readSettings();
    await opened.session.restart();
  }

  /** The parents that were asked for a mapped host, and those that were asked for 1Password, since the last time. */
  async function used(opened: TestWindow): Promise<{ forHost: string[]; forOnePassword: string[] }> {
    assert.equal((await opened.get(host)).status, 200);
    const by = (isAsked: (parent: LeadingProxy) => boolean) =>
      Object.entries(parents).flatMap(([name, parent]) => (isAsked(parent) ? [name] : []));
    const found = {
      forHost: by(({ asked }) => asked.includes(`${host}:443`)),
      forOnePassword: by(({ askedLocally }) => askedLocally.includes(onePassword)),
    };
    forget();
    return found;
  }

  it("is onecli.parentProxy, or http.proxy, or HTTPS_PROXY, in this order and without a reload (contract 23)", async () => {
    process.env["HTTPS_PROXY"] = parents.environments.url;
    const opened = await open({
      "onecli.parentProxy": parents.ours.url,
      "http.proxy": parents.editors.url,
    });
    const port = new URL(opened.session.environment?.set["HTTPS_PROXY"] ?? "").port;
    assert.deepEqual(await used(opened), { forHost: ["ours"], forOnePassword: ["ours"] });
    await change(opened, { "onecli.parentProxy": undefined });
    assert.deepEqual(await used(opened), { forHost: ["editors"], forOnePassword: ["editors"] });
    await change(opened, { "http.proxy": undefined });
    assert.deepEqual(await used(opened), { forHost: ["environments"], forOnePassword: ["environments"] });
    assert.equal(new URL(opened.session.environment?.set["HTTPS_PROXY"] ?? "").port, port);
  });

  it("gets http.proxyAuthorization where it is http.proxy, and never otherwise (contract 23)", async () => {
    const login = "user:pass/word";
    parents.editors.login = login;
    const opened = await open({
      "http.proxy": parents.editors.url,
      "http.proxyAuthorization": `Basic ${Buffer.from(login).toString("base64")}`,
    });
    assert.deepEqual(await used(opened), { forHost: ["editors"], forOnePassword: ["editors"] });
    await change(opened, { "onecli.parentProxy": parents.editors.url });
    const { status, body } = await opened.get(host);
    assert.equal(status, 503);
    assert.match(body, /1Password could not be reached\. The parent proxy answered 407 .*wants a login/);
  });

  for (const setting of ["onecli.noProxy", "http.noProxy"] as const) {
    it(`is left out for what ${setting} names (contract 42)`, async () => {
      const opened = await open({ "http.proxy": parents.editors.url });
      forget();
      await change(opened, { [setting]: ["127.0.0.0/8"] });
      assert.deepEqual(await used(opened), { forHost: ["editors"], forOnePassword: [] });
      await change(opened, { [setting]: undefined });
      assert.deepEqual(await used(opened), { forHost: ["editors"], forOnePassword: ["editors"] });
    });
  }

  it("stays as it is where a setting is broken, or names the gateway itself; the setting is named, not its value", async () => {
    const opened = await open({ "http.proxy": parents.editors.url });
    const { port } = new URL(opened.session.environment?.set["HTTPS_PROXY"] ?? "");
    const rows: readonly (readonly [Values, string, RegExp])[] = [
      [{ "http.proxy": "socks4://u:S3CR3T@proxy.example" }, "http.proxy", /scheme socks4:/],
      [{ "onecli.parentProxy": "http://u:S3CR3T@proxy.example:99999" }, "onecli.parentProxy", /is no URL/],
      [{ "onecli.parentProxy": `http://u:S3CR3T@localhost:${port}` }, "onecli.parentProxy", /leads back to/],
      [{ "onecli.extraCaCertificates": [join(folder, "none")] }, "onecli.extraCaCertificates", /no readable/],
    ];
    for (const [values, setting, reason] of rows) {
      const before = readSettings();
      await assert.rejects(change(opened, values), (error) => {
        assert.ok(error instanceof SettingError, String(error));
        assert.equal(error.setting, setting);
        assert.match(error.message, reason);
        assert.ok(error.message.startsWith(setting) && !error.message.includes("S3CR3T"));
        return true;
      });
      assert.equal(opened.session.gateway.kind, "running");
      assert.equal((await opened.get(host)).status, 200);
      await configure({ "onecli.parentProxy": undefined, "http.proxy": before.http.proxy });
      await configure({ "onecli.extraCaCertificates": before.extraCaCertificates });
    }
  });

  it("is looked at again when any of its settings changes", async () => {
    const values: Values = {
      "onecli.parentProxy": parents.ours.url,
      "onecli.noProxy": ["a.example"],
      "http.proxy": parents.ours.url,
      "http.proxyAuthorization": "Basic YQ==",
      "http.noProxy": ["a.example"],
    };
    for (const [name, value] of Object.entries(values)) {
      const changed = new Promise<{ gateway: boolean }>((resolve) => {
        const subscription = onDidChangeSettings((change) => {
          subscription.dispose();
          resolve(change);
        });
      });
      await configure({ [name]: value });
      assert.deepEqual(await changed, { gateway: true }, name);
    }
  });
});
