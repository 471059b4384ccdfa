// Stored secrets in a real workbench: the packaged extension, one window, one story.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorld, type World } from "../demo/world.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { bundleFolder } from "../support/vscode/paths.ts";
import { Session } from "../support/vscode/session.ts";
import { TerminalPanel } from "../support/vscode/terminalPanel.ts";
import { packageVsix } from "../support/vscode/vsix.ts";
import { type ColorTheme, type Workbench } from "../support/vscode/workbench.ts";

const themes: readonly ColorTheme[] = [
  "Light Modern",
  "Dark Modern",
  "Light High Contrast",
  "Dark High Contrast",
];

describe("stored secrets in VS Code", function () {
  this.timeout(120_000);
  const value = `sk-proj-${randomBytes(24).toString("hex")}`;
  const another = `sk-proj-${randomBytes(24).toString("hex")}`;
  let workDir: string;
  let world: World;
  let session: Session;
  let workbench: Workbench;
  /** What people and agents got to see: pages and terminals. */
  const seen: string[] = [];
  let failed = false;

  const view = () => workbench.openView("OneCLI", "Mappings");
  const look = async () => {
    seen.push(await workbench.page.locator("body").innerText(), await workbench.page.content());
  };
  /** Picks a row of the box with a title, once it is there. */
  const pickRow = async (title: string, row: string) => {
    const box = await workbench.quickInput(title);
    await box.row(row).waitFor();
    await box.pick(row);
    return box;
  };
  /** Has a terminal call the API. @returns what arrived there as `Authorization` */
  const call = async (terminal: TerminalPanel, word: string) => {
    await terminal.type(`clear; curl -s https://api.openai.com/v1/${word}; echo ${word}-$?`);
    await terminal.waitForText(`${word}-0`);
    const received = world.upstream.received.at(-1);
    assert.equal(received?.url, `/v1/${word}`);
    return received.headers.authorization;
  };
  /** Waits until the page that is open says so. */
  const page = (...texts: readonly string[]) => {
    let editor = workbench.page.locator(".editor-instance .view-lines");
    for (const text of texts) {
      // Blanks are non-breaking ones in an editor.
      const pattern = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(" ", "[\\s\\u00a0]+");
      editor = editor.filter({ hasText: new RegExp(pattern) });
    }
    return editor.waitFor();
  };
  const explain = async (address: string) => {
    await workbench.runCommand("OneCLI: Explain Host…");
    const box = await workbench.quickInput("Explain Host");
    await box.type(address);
    await box.accept();
  };

  before(async () => {
    workDir = await mkdtemp(join(tmpdir(), "onecli-e2e-"));
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

  it("are added through the palette without an account; a value that cannot be sent is refused at once", async () => {
    await (await view()).welcome.getByText("stored here").waitFor();
    await workbench.runCommand("OneCLI: Add Stored Secret…");
    await pickRow("Add Stored Secret", "OpenAI");
    const full = "Add Stored Secret: api.openai.com";
    const box = await pickRow(full, "Authorization: Bearer {value}");
    await box.waitForMessage("A name to know it by");
    await box.type(" ");
    await box.waitForMessage("The name is empty");
    await box.type("Team key");
    await box.accept();
    await box.waitForMessage("stored encrypted and never shown again");
    assert.equal(await box.input.getAttribute("type"), "password");
    await box.type("a\tb");
    await box.waitForMessage("has a control character");
    await box.type("op://API Keys/OpenAI/api-key");
    await box.waitForMessage("reference to 1Password");
    await box.type(` ${value}  `);
    await box.waitForMessage("blanks around it are left out");
    await look();
    await workbench.screenshot("stored-1-value");
    await box.accept();
    await workbench.notification("The secret for api.openai.com is stored.");
    const [heading, row] = await (await view()).waitForLabels("Stored Secrets", "api.openai.com");
    assert.deepEqual([heading?.description, row?.description], ["win over mappings", "Team key"]);
    assert.match(row?.ariaLabel ?? "", /stored secret Team key, not used yet/);
    const item = await workbench.statusBarItem("OneCLI 1");
    assert.match((await item.locator("a").getAttribute("aria-label")) ?? "", /OneCLI: 1 stored secret/);
    await workbench.clearNotifications();
  });

  it("reach their host from a terminal, which holds a placeholder", async () => {
    const terminal = await workbench.terminal();
    await terminal.type("echo is [$OPENAI_API_KEY]");
    await terminal.waitForText(/is \[sk-proj-onecli/);
    assert.equal(await call(terminal, "first"), `Bearer ${value}`);
    await workbench.page.locator('.monaco-list-row[aria-label*="Team key, ready"]').waitFor();
    await terminal.type("clear; env; echo listed-$?");
    await terminal.waitForText("listed-0");
    seen.push(await terminal.text());
    await look();
  });

  it("win over a mapping of the same host, which says so", async () => {
    await workbench.runCommand("OneCLI: Connect 1Password");
    const box = await workbench.quickInput("Connect 1Password");
    await box.type(world.service.token);
    await box.accept();
    await workbench.notification("Connected to local test service");
    await workbench.runCommand("OneCLI: Add Mapping…");
    await pickRow("Add Mapping", "OpenAI");
    for (const row of ["API Keys", "OpenAI", "api-key", "Authorization: Bearer {value}"]) {
      await pickRow("Add Mapping: api.openai.com", row);
    }
    await workbench.notification("api.openai.com is mapped");
    const tree = await view();
    const labels = ["Stored Secrets", "api.openai.com", "Mappings to 1Password", "api.openai.com"];
    const [, , , mapping] = await tree.waitForLabels(...labels);
    assert.equal(mapping?.description, "overridden by Team key");
    assert.match(mapping.ariaLabel, /secret API Keys\/OpenAI, overridden by Team key/);
    await workbench.clearNotifications();
    await workbench.page.locator('.monaco-list-row[aria-label*="overridden by Team key"]').hover();
    const hover = workbench.page.locator(".monaco-hover:visible", { hasText: "Overridden" });
    await hover.waitFor();
    const text = (await hover.innerText()).replaceAll("\u00a0", " ");
    assert.match(
      text,
      /by the stored secret Team key \(api\.openai\.com\); a stored secret wins over every mapping/,
    );
    await workbench.screenshot("stored-2-overridden");
    assert.equal(await call(new TerminalPanel(workbench.page), "second"), `Bearer ${value}`);
  });

  it("are explained: who wins and why, on a page that stays true", async () => {
    await explain("https://user@API.OpenAI.com/v1/models?key=x");
    await page(
      "https://api.openai.com/v1/models",
      "The request gets the stored secret “Team key”.",
      "wins stored secret “Team key”, for api.openai.com",
      "gives way op://API Keys/OpenAI/api-key, for api.openai.com because a stored secret wins",
      "Sets header Authorization",
      "Removes header authorization",
    );
    await look();
  });

  for (const theme of themes) {
    it(`look right in ${theme}`, async () => {
      await workbench.setColorTheme(theme);
      await workbench.screenshot(`stored-3-${theme.toLowerCase().replaceAll(" ", "-")}`);
    });
  }

  it("leave the host to the mapping while they are disabled, and the page follows", async () => {
    const tree = await view();
    await tree.menuAction("api.openai.com", "Disable Stored Secret");
    await page("is disabled stored secret “Team key”", "wins op://API Keys/OpenAI/api-key");
    const terminal = new TerminalPanel(workbench.page);
    assert.equal(await call(terminal, "disabled"), `Bearer ${world.secrets.openai}`);
    await page("Value read from 1Password");
    await tree.menuAction("api.openai.com", "Enable Stored Secret");
    await page("gives way op://API Keys/OpenAI/api-key");
  });

  it("are no matter of hosts that nothing is for, which pass untouched", async () => {
    await explain("example.com");
    await page("https://example.com/", "it passes untouched");
    await explain("http://api.openai.com/");
    await page("http://api.openai.com/", "refused (insecure-request)");
    await (await view()).menuAction("api.openai.com", "Explain Host…");
    await page("https://api.openai.com/", "The request gets the stored secret");
  });

  it("keep their value when another part is edited, and take another one", async () => {
    const tree = await view();
    await tree.inlineAction("api.openai.com", "Edit Stored Secret…");
    const title = "Edit Stored Secret: api.openai.com";
    const box = await pickRow(title, "Name");
    await box.waitForMessage("A name to know it by");
    await box.type("Our [key](command:x)");
    await box.accept();
    await workbench.page
      .locator('.monaco-list-row[aria-label*="stored secret Our [key](command:x)"]')
      .waitFor();
    const terminal = new TerminalPanel(workbench.page);
    assert.equal(await call(terminal, "renamed"), `Bearer ${value}`);
    await tree.menuAction("api.openai.com", "Replace Value of Stored Secret…");
    const input = await workbench.quickInput("Replace Value: api.openai.com");
    assert.equal(await input.input.inputValue(), "");
    await input.type(another);
    await input.accept();
    await workbench.notification("has another value from the next request on");
    assert.equal(await call(terminal, "replaced"), `Bearer ${another}`);
    await look();
    await workbench.clearNotifications();
  });

  it("are there after a reload", async () => {
    await workbench.reload();
    const labels = ["Stored Secrets", "api.openai.com", "Mappings to 1Password", "api.openai.com"];
    await (await view()).waitForLabels(...labels);
    assert.equal(await call(await workbench.terminal(), "reloaded"), `Bearer ${another}`);
  });

  it("are removed after a question, and leave the host to the mapping", async () => {
    const tree = await view();
    for (const button of ["Cancel", "Remove"]) {
      await tree.inlineAction("api.openai.com", "Remove Stored Secret");
      const dialog = workbench.page.locator(".monaco-dialog-box", { hasText: "Remove the stored secret" });
      await dialog.getByRole("button", { name: button, exact: true }).click();
      await dialog.waitFor({ state: "hidden" });
    }
    const [row] = await tree.waitForLabels("api.openai.com");
    assert.equal(row?.description, "API Keys/OpenAI");
    const terminal = new TerminalPanel(workbench.page);
    assert.equal(await call(terminal, "removed"), `Bearer ${world.secrets.openai}`);
  });

  it("have left their values nowhere: no file, log, page or terminal", async () => {
    const secrets = new Map([
      ["value", value],
      ["another", another],
      ["1Password", world.secrets.openai],
    ]);
    await look();
    seen.push(session.log);
    assert.deepEqual(
      seen.flatMap((text) => leaksIn(text, secrets)),
      [],
    );
    const files = await readTree(join(workDir, "vscode"));
    assert.ok(files.size > 50);
    const leaks = [...files].flatMap(([file, content]) =>
      leaksIn(content, secrets).map((name) => `${name} in ${file}`),
    );
    assert.deepEqual(leaks, []);
  });
});
