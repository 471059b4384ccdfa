// The gateway of a team in a real workbench: the packaged extension, one window, one story.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorld, type World } from "../demo/world.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { killPrograms } from "../support/program.ts";
import { agent, type Served, TeamWorld } from "../support/teamGateway.ts";
import { DashboardView } from "../support/vscode/dashboardView.ts";
import { bundleFolder } from "../support/vscode/paths.ts";
import { Session } from "../support/vscode/session.ts";
import { packageVsix } from "../support/vscode/vsix.ts";
import { type Workbench } from "../support/vscode/workbench.ts";

const anthropic = { hostname: "api.anthropic.com", reference: "op://API Keys/Anthropic/credential" };
const secretsGrid = "Mappings and stored secrets";
const activityGrid = "Requests, the latest first";
const title = "Use Team Gateway";

describe("the gateway of a team in VS Code", function () {
  this.timeout(120_000);
  let workDir: string;
  let world: World;
  let team: TeamWorld;
  let served: Served;
  let session: Session;
  let workbench: Workbench;
  /** What people and agents got to see. */
  const seen: string[] = [];
  let failed = false;

  let dashboard: DashboardView;

  const view = () => workbench.openView("OneCLI", "Mappings");
  const look = async () => {
    seen.push(await workbench.page.locator("body").innerText());
  };
  /** Answers one step of the command. */
  const answer = async (prompt: string, text?: string) => {
    const box = await workbench.quickInput(title);
    await box.waitForMessage(prompt);
    if (text !== undefined) {
      await box.type(text);
    }
    await box.accept();
  };

  before(async () => {
    workDir = await mkdtemp(join(tmpdir(), "onecli-e2e-"));
    world = await startWorld();
    team = await TeamWorld.create(world);
    served = await team.serve({ mappings: [anthropic] });
    session = await Session.start({
      workDir: join(workDir, "vscode"),
      vsix: await packageVsix(),
      artifacts: join(bundleFolder, "screenshots"),
      settings: { "onecli.extraCaCertificates": team.extraCaCertificates },
    });
    ({ workbench } = session);
    dashboard = new DashboardView(workbench.page);
  });
  after(async () => {
    await session.stop();
    await killPrograms();
    await Promise.all([world.stop(), team.remove()]);
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

  it("is used after a yes to the fingerprint of its CA", async () => {
    await workbench.runCommand("OneCLI: Use Team Gateway…");
    const box = await workbench.quickInput(title);
    await box.type("http://gateway.example");
    await box.waitForMessage("is plain http, which is for this machine alone");
    await answer("", served.url);
    await answer("API token of localhost", served.token);
    await answer("Address of the gateway's proxy");
    await answer("Name of your agent", agent);
    await answer(`Password of ${agent}`, team.password);
    const dialog = workbench.page.locator(".monaco-dialog-box", {
      hasText: "Use the team gateway localhost",
    });
    const { fingerprint256 } = new X509Certificate(await readFile(served.line.ca, "utf8"));
    await dialog.getByText(fingerprint256).waitFor();
    await workbench.screenshot("team-1-confirm");
    await dialog.getByRole("button", { name: "Use This Gateway", exact: true }).click();
    await workbench.notification("is used. Terminals from before trust another CA");
    const [row] = await (await view()).waitForLabels(anthropic.hostname);
    assert.match(row?.ariaLabel ?? "", /api\.anthropic\.com/);
    await workbench.page.getByText(/The team gateway localhost:\d+ is used; mappings/).waitFor();
    await workbench.statusBarItem("OneCLI 1 (team)");
    await look();
    await workbench.screenshot("team-2-used");
    await workbench.clearNotifications();
  });

  it("gives terminals its secrets, and neither the agent's password nor the token", async () => {
    const terminal = await workbench.terminal();
    await terminal.type("curl -s https://api.anthropic.com/v1/first; echo first-$?");
    await terminal.waitForText("first-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
    await workbench.page
      .locator('.monaco-list-row[aria-label*="api.anthropic.com"][aria-label*="ready"]')
      .waitFor();
    await terminal.type("clear; env; echo listed-$?");
    await terminal.waitForText("listed-0");
    seen.push(await terminal.text());
  });

  it("is given a mapping, by a reference that is typed and a test after that", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    const hosts = await workbench.quickInput("Add Mapping");
    await hosts.row("OpenAI").waitFor();
    await hosts.pick("OpenAI");
    const reference = await workbench.quickInput("Add Mapping: api.openai.com");
    await reference.type("op://API Keys/OpenAI/api-key");
    await reference.accept();
    const rules = await workbench.quickInput("Add Mapping: api.openai.com");
    await rules.row("Authorization: Bearer {value}").waitFor();
    await rules.pick("Authorization: Bearer {value}");
    await workbench.notification("The secret for api.openai.com can be read.");
    await (await view()).waitForLabels(anthropic.hostname, "api.openai.com");
    assert.match(JSON.stringify(await team.mappings()), /op:\/\/API Keys\/OpenAI\/api-key/);
    await look();
    await workbench.clearNotifications();
  });

  it("has its mappings and its activity in the dashboard, which changes them and says what it cannot show", async () => {
    await workbench.runCommand("OneCLI: Open Dashboard");
    await dashboard.ready();
    const card = dashboard.frame.getByRole("region", { name: "1Password" });
    await card.getByText(/The team gateway localhost:\d+ is used/).waitFor();
    await card.getByText("Its API shows no vaults, no stored secrets").waitFor();
    assert.equal(await dashboard.button("Add Stored Secret…").count(), 0);
    await dashboard.row(secretsGrid, "api.openai.com").waitFor();
    await dashboard.row(activityGrid, "/v1/first").getByText("op://API Keys/Anthropic").waitFor();
    await dashboard.button("Edit: api.anthropic.com").click();
    const form = dashboard.frame.getByRole("form");
    await form.getByLabel("Sent as").selectOption("header");
    await form.getByLabel("Header").first().fill("X-Team");
    await form.getByText("gets X-Team: {value}").waitFor();
    await dashboard.button("Save").click();
    await dashboard
      .row(secretsGrid, "X-Team: {value}")
      .getByText(/^read in /)
      .waitFor();
    assert.match(JSON.stringify(await team.mappings()), /"name":"X-Team"/);
    await workbench.screenshot("team-3-dashboard");
    const terminal = await workbench.terminal();
    await terminal.type("clear; curl -s https://api.anthropic.com/v1/edited; echo edited-$?");
    await terminal.waitForText("edited-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-team"], world.secrets.anthropic);
    // Looked at every few seconds, although the view is closed.
    await workbench.runCommand("View: Close Primary Side Bar");
    await dashboard.row(activityGrid, "/v1/edited").click();
    const drawer = dashboard.frame.getByRole("complementary", { name: "Request" });
    await drawer.getByText(agent, { exact: true }).waitFor();
    await drawer.getByRole("button", { name: "Explain" }).click();
    await drawer.getByText("header X-Team", { exact: true }).first().waitFor();
    await dashboard.button("Remove: api.openai.com").click();
    await dashboard.row(secretsGrid, "api.openai.com").waitFor({ state: "detached" });
    assert.doesNotMatch(JSON.stringify(await team.mappings()), /api\.openai\.com/);
    await dashboard.button("Undo").click();
    await dashboard.row(secretsGrid, "api.openai.com").waitFor();
    seen.push(await dashboard.frame.locator("body").innerHTML());
  });

  it("is left again: the window has its own gateway, and nothing of the team is kept", async () => {
    await workbench.runCommand("OneCLI: Use Team Gateway…");
    const box = await workbench.quickInput(`Team Gateway ${new URL(served.url).host}`);
    await box.pick("Stop Using It");
    await workbench.notification("The team gateway is no longer used");
    await (await view()).welcome.getByText("Connect 1Password").waitFor();
    await dashboard.frame.getByText("Not connected").waitFor();
    await dashboard.frame.getByText("Connect 1Password, then say which host gets which secret.").waitFor();
    await dashboard.button("Add Stored Secret…").waitFor();
    await look();
    const secrets = new Map([
      ["the agent's password", team.password],
      ["the API's token", served.token],
      ["a value", world.secrets.anthropic],
    ]);
    assert.deepEqual(
      seen.flatMap((text) => leaksIn(text, secrets)),
      [],
    );
    const files = await readTree(join(workDir, "vscode"));
    const leaks = [...files].flatMap(([file, content]) =>
      leaksIn(content, secrets).map((name) => `${name} in ${file}`),
    );
    assert.deepEqual(leaks, []);
  });
});
