// The dashboard of the packaged extension in a real workbench.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startWorld, type World } from "../demo/world.ts";
import { accessibilityProblems } from "../support/accessibility.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { DashboardView } from "../support/vscode/dashboardView.ts";
import { bundleFolder, projectRoot } from "../support/vscode/paths.ts";
import { Session } from "../support/vscode/session.ts";
import { type TerminalPanel } from "../support/vscode/terminalPanel.ts";
import { packageVsix } from "../support/vscode/vsix.ts";
import { colorThemes, type Workbench } from "../support/vscode/workbench.ts";

const secretsGrid = "Mappings and stored secrets";
const activityGrid = "Requests, the latest first";
const longHost = "a-very-long-host-name-of-a-tenant.with-many-labels.internal.example-company.com";
const longReference =
  "op://Vault with a long name of many words/Item with an even longer name than that/section of it/field";

/** What a HAR has to have; see its specification. */
const har = z.object({
  log: z.object({
    version: z.literal("1.2"),
    entries: z.array(
      z.object({
        startedDateTime: z.iso.datetime(),
        time: z.number(),
        request: z.object({
          method: z.string(),
          url: z.url(),
          headers: z.array(z.object({ name: z.string(), value: z.string() })),
        }),
        response: z.object({ status: z.number() }),
        timings: z.object({ send: z.number(), wait: z.number(), receive: z.number() }),
      }),
    ),
  }),
});

describe("the dashboard in VS Code", function () {
  this.timeout(120_000);
  let workDir: string;
  let world: World;
  let session: Session;
  let workbench: Workbench;
  let dashboard: DashboardView;
  let terminal: TerminalPanel;
  const seen: string[] = [];
  let failed = false;

  const look = async () => {
    seen.push(await dashboard.frame.locator("body").innerText());
    seen.push(await dashboard.frame.locator("body").innerHTML());
  };

  before(async () => {
    workDir = await mkdtemp(join(tmpdir(), "onecli-dashboard-"));
    world = await startWorld();
    await writeFile(join(workDir, "ca.pem"), world.authority);
    session = await Session.start({
      workDir: join(workDir, "vscode"),
      vsix: await packageVsix(),
      artifacts: join(bundleFolder, "screenshots"),
      settings: {
        "onecli.parentProxy": world.parent.url,
        "onecli.extraCaCertificates": [join(workDir, "ca.pem")],
      },
    });
    ({ workbench } = session);
    await workbench.page.setViewportSize({ width: 1400, height: 1000 });
    dashboard = new DashboardView(workbench.page);
    await dashboard.shareChannel();
  });
  after(async () => {
    await session.stop();
    await world.stop();
    await rm(workDir, { recursive: true, force: true });
  });
  afterEach(async function () {
    if (this.currentTest?.state === "failed") {
      failed = true;
      await workbench.screenshot(`failed-${this.currentTest.title.replace(/\W+/g, "-").slice(0, 60)}`);
    }
  });
  beforeEach(function () {
    // Each chapter stands on the one before.
    if (failed) {
      this.skip();
    }
  });

  it("opens by the title of the view, by the status bar and by the palette, and never twice", async () => {
    const ways = [
      async () => (await workbench.openView("OneCLI", "Mappings")).titleAction("Open Dashboard"),
      async () => (await workbench.statusBarItem("OneCLI")).click(),
      () => workbench.runCommand("OneCLI: Open Dashboard"),
    ];
    for (const open of ways) {
      await open();
      await dashboard.ready();
      await dashboard.frame.getByText("Not connected").waitFor();
      await workbench.runCommand("View: Close Editor");
      await dashboard.tabs.waitFor({ state: "detached" });
    }
    for (const open of ways) {
      await open();
      await dashboard.ready();
      assert.equal(await dashboard.tabs.count(), 1);
    }
  });

  it("drops and logs what its page sends that is not of the contract, runs none of it, and goes on", async () => {
    const check = { type: "ask", id: 1_000_000, name: "check" };
    const notMessages = [
      "hello",
      null,
      [],
      {},
      { type: "steal" },
      { type: "run", command: "workbench.action.closeAllEditors" },
      { type: "run", command: "onecli.mapping.export", arguments: [] },
      { type: "ready", version: "1" },
      { ...check, id: 0 },
      { ...check, name: "constructor", body: {} },
      { ...check, name: "vaults" },
      { type: "steal", value: "x".repeat(20_000_000) },
    ];
    const draft = { source: "1password", hostname: "", path: "", secret: "", enabled: true };
    const notQuestions = [
      { ...check, body: { draft: { ...draft, enabled: "yes" } } },
      { ...check, body: { draft: { ...draft, hostname: "x".repeat(20_000_000) } } },
      { ...check, name: "remove", body: { keys: [] } },
      { ...check, name: "vaults", body: { all: true } },
    ];
    for (const message of [...notMessages, ...notQuestions]) {
      await dashboard.post(message);
    }
    // Messages are taken up in their order: what is asked last is answered when the others were seen.
    await dashboard.button("Add Mapping").first().click();
    const form = dashboard.frame.getByRole("form", { name: "Add a mapping" });
    await form.getByLabel("Host").first().fill("no host");
    await form.getByText("This has a blank").waitFor();
    const files = await readTree(join(workDir, "vscode/user-data/logs"));
    const log = [...files].flatMap(([file, text]) => (file.endsWith("OneCLI.log") ? text : [])).join("");
    const count = (sentence: string) => log.split(sentence).length - 1;
    assert.equal(count("sent a message that is not of the protocol"), notMessages.length);
    assert.equal(count("in a form that is not of the protocol"), notQuestions.length);
    assert.ok(!log.includes("xxx"), "what was sent is not in the log");
    await dashboard.button("Cancel").click();
  });

  it("connects by the same box as the palette", async () => {
    await dashboard.button("Connect 1Password").click();
    const box = await workbench.quickInput("Connect 1Password");
    await box.type(world.service.token);
    await box.accept();
    await dashboard.frame
      .getByText(/local test service/)
      .first()
      .waitFor();
    await dashboard.button("Show names").click();
    await dashboard.frame.getByText("API Keys, Dev Tokens").waitFor();
    await workbench.clearNotifications();
  });

  it("adds a mapping with completion of the vault's names, and tests it at once", async () => {
    await dashboard.button("Add Mapping").first().click();
    const form = dashboard.frame.getByRole("form", { name: "Add a mapping" });
    await form.getByLabel("Host").first().fill("https://api.anthropic.com/v1");
    const reference = form.getByLabel("Secret reference").first();
    for (const [typed, choice] of [
      ["op://", "API Keys"],
      ["", "Anthropic"],
      ["", "credential"],
    ] as const) {
      if (typed !== "") {
        await reference.fill(typed);
      }
      await dashboard.frame.locator('.suggestions [role="option"]', { hasText: choice }).first().click();
    }
    assert.equal(await reference.inputValue(), "op://API Keys/Anthropic/credential");
    await form.getByText("api.anthropic.com gets x-api-key: {value}").waitFor();
    await dashboard.button("Save").click();
    await dashboard
      .row(secretsGrid, "api.anthropic.com")
      .getByText(/^read in /)
      .waitFor();
  });

  it("shows a request of a terminal as it happens, and explains it", async () => {
    terminal = await workbench.terminal();
    await terminal.type("curl -s https://api.anthropic.com/v1/messages; echo done-$?");
    await terminal.waitForText("done-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
    await dashboard.row(activityGrid, "/v1/messages").click();
    const drawer = dashboard.frame.getByRole("complementary", { name: "Request" });
    await drawer.getByText("op://API Keys/Anthropic/credential").waitFor();
    await drawer.getByRole("button", { name: "Explain" }).click();
    await drawer.getByText("header x-api-key", { exact: true }).first().waitFor();
    await look();
  });

  it("edits a mapping, and the next request is sent so", async () => {
    await dashboard.button("Edit: api.anthropic.com").click();
    const form = dashboard.frame.getByRole("form");
    await form.getByLabel("Sent as").selectOption("header");
    await form.getByLabel("Header").first().fill("Host");
    await form.getByText("is a field that frames the request").waitFor();
    await form.getByLabel("Header").first().fill("X-Token");
    await form.getByLabel("Value, with {value}").first().fill("key={value}");
    await form.getByText("gets X-Token: key={value}").waitFor();
    await dashboard.button("Save").click();
    await dashboard.row(secretsGrid, "X-Token: key={value}").waitFor();
    await terminal.type("clear; curl -s https://api.anthropic.com/v1/edited; echo edited-$?");
    await terminal.waitForText("edited-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-token"], `key=${world.secrets.anthropic}`);
  });

  it("says in the row why a secret cannot be read", async () => {
    await dashboard.button("Add Mapping").first().click();
    const form = dashboard.frame.getByRole("form", { name: "Add a mapping" });
    await form.getByLabel("Host").first().fill("api.openai.com");
    await form.getByLabel("Secret reference").first().fill("op://API Keys/Nobody/api-key");
    await dashboard.button("Save").click();
    await dashboard.row(secretsGrid, "api.openai.com").getByText("No item matches").waitFor();
  });

  it("removes a mapping, and puts it back when asked to", async () => {
    await dashboard.button("Remove: api.openai.com").click();
    await dashboard.frame.getByText("1 entry was removed.").waitFor();
    await dashboard.row(secretsGrid, "api.openai.com").waitFor({ state: "detached" });
    await dashboard.button("Undo").click();
    await dashboard.row(secretsGrid, "api.openai.com").waitFor();
    await dashboard.button("Disable: api.openai.com").click();
    await dashboard.row(secretsGrid, "disabled").waitFor();
  });

  it("exports the activity with the name of the secret in the place of its value", async () => {
    await dashboard.button("Export HAR").click();
    const box = await workbench.quickInput("Export Activity");
    await box.row("..").waitFor();
    await box.accept();
    await box.widget.waitFor({ state: "hidden" });
    const text = await readFile(join(session.folder, "onecli-activity.har"), "utf8");
    seen.push(text);
    const { log } = har.parse(JSON.parse(text));
    const edited = log.entries.find(({ request }) => request.url.endsWith("/v1/edited"));
    assert.deepEqual(edited?.request.headers, [
      { name: "X-Token", value: "key=op://API Keys/Anthropic/credential" },
    ]);
  });

  it("stays what it is over a reload, and is still alone", async () => {
    await workbench.reload();
    await dashboard.ready();
    await dashboard.row(secretsGrid, "X-Token: key={value}").waitFor();
    await workbench.runCommand("OneCLI: Open Dashboard");
    assert.equal(await dashboard.tabs.count(), 1);
  });

  it("is alone as well when its tab was in the background during the reload", async () => {
    const other = workbench.page.locator('.tab[data-resource-name="onecli-activity.har"]');
    await workbench.runCommand("View: Show Explorer");
    await workbench.page
      .locator(".explorer-folders-view .monaco-list-row", { hasText: "onecli-activity.har" })
      .dblclick();
    await other.waitFor();
    await workbench.reload();
    await other.waitFor();
    await workbench.runCommand("OneCLI: Open Dashboard");
    await dashboard.ready();
    await dashboard.row(secretsGrid, "X-Token: key={value}").waitFor();
    await dashboard.tabs.nth(1).waitFor({ state: "detached" });
    assert.equal(await dashboard.tabs.count(), 1);
  });

  it("stays responsive while ten thousand requests flow", async () => {
    terminal = await workbench.terminal();
    const program = join(projectRoot, "test/support/storm.ts");
    await terminal.type(
      `${process.execPath} --disable-warning=ExperimentalWarning ${program} api.anthropic.com 10000; echo stormed-$?`,
    );
    await dashboard.row(activityGrid, "/v1/storm").waitFor();
    // While they flow, what is clicked answers.
    await dashboard.button("Edit: api.anthropic.com").click();
    await dashboard.frame.getByRole("form").waitFor();
    await dashboard.button("Cancel").click();
    await dashboard.frame.getByRole("form").waitFor({ state: "detached" });
    await workbench.page.locator(".terminal-wrapper.active .xterm-rows", { hasText: "stormed-0" }).waitFor({
      timeout: 100_000,
    });
    await dashboard.frame.getByText("1,000 shown").waitFor();
    assert.ok((await dashboard.frame.locator("*").count()) < 2_000);
    assert.equal(world.upstream.received.filter(({ url }) => url === "/v1/storm").length, 10_000);
  });

  it("cuts off names that are too long for their place, and shows them whole to the pointer", async () => {
    await workbench.runCommand("View: Close Primary Side Bar");
    await workbench.runCommand("View: Hide Panel");
    await workbench.page.setViewportSize({ width: 1280, height: 1280 });
    await dashboard.button("Add Mapping").first().click();
    const form = dashboard.frame.getByRole("form", { name: "Add a mapping" });
    await form.getByLabel("Host").first().fill(longHost);
    await form.getByLabel("Secret reference").first().fill(longReference);
    await dashboard.button("Save").click();
    const row = dashboard.row(secretsGrid, longHost);
    await row.getByText("No vault matches").waitFor();
    for (const text of [longHost, longReference]) {
      assert.equal(await row.getByTitle(text, { exact: true }).innerText(), text);
    }
    assert.equal((await row.boundingBox())?.height, 28);
  });

  for (const theme of colorThemes) {
    it(`looks right in ${theme}, and axe finds nothing serious`, async () => {
      await workbench.setColorTheme(theme);
      await dashboard.row(activityGrid, "/v1/storm").click();
      await dashboard.button(`Edit: ${longHost}`).click();
      await dashboard.frame.getByRole("form").waitFor();
      const frame = workbench.page
        .frames()
        .find((one) => one.name() === "active-frame" || one.url().includes("fake.html"));
      assert.ok(frame !== undefined);
      assert.deepEqual(await accessibilityProblems(frame), []);
      const name = theme.toLowerCase().replaceAll(" ", "-");
      await workbench.screenshot(`dashboard-${name}-editing`);
      await dashboard.button("Cancel").click();
      await dashboard.button("Close the details").click();
      await workbench.screenshot(`dashboard-${name}`);
    });
  }

  it("has shown no secret and no token", async () => {
    await look();
    const secrets = new Map<string, string>([
      ["token", world.service.token],
      ...Object.entries(world.secrets),
    ]);
    seen.push(session.log);
    assert.deepEqual(
      seen.flatMap((text) => leaksIn(text, secrets)),
      [],
    );
  });
});
