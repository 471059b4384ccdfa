// The packaged extension in a real workbench, from the first look to the last: one window, one story.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorld, type World } from "../demo/world.ts";
import { ApiClient } from "../support/managementApi.ts";
import { leaksIn, readTree } from "../support/canary.ts";
import { bundleFolder } from "../support/vscode/paths.ts";
import { Session } from "../support/vscode/session.ts";
import { packageVsix } from "../support/vscode/vsix.ts";
import { TerminalPanel } from "../support/vscode/terminalPanel.ts";
import { type ColorTheme, type Workbench } from "../support/vscode/workbench.ts";

const themes: readonly ColorTheme[] = [
  "Light Modern",
  "Dark Modern",
  "Light High Contrast",
  "Dark High Contrast",
];

describe("OneCLI in VS Code", function () {
  this.timeout(120_000);
  let workDir: string;
  let world: World;
  let session: Session;
  let workbench: Workbench;
  /** What people and agents got to see: pages and terminals. */
  const seen: string[] = [];
  let failed = false;
  let apiToken = "";

  const mappings = () => workbench.openView("OneCLI", "Mappings");
  const look = async () => {
    seen.push(await workbench.page.locator("body").innerText());
  };
  /** A modal dialog, answered by its button. */
  const answerDialog = async (text: string, button: string) => {
    const dialog = workbench.page.locator(".monaco-dialog-box", { hasText: text });
    await dialog.waitFor();
    await dialog.getByRole("button", { name: button, exact: true }).click();
    await dialog.waitFor({ state: "hidden" });
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
        "onecli.api.enabled": true,
        "terminal.integrated.enablePersistentSessions": true,
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

  it("says what to do first", async () => {
    const view = await mappings();
    await view.welcome.getByRole("button", { name: "Connect 1Password" }).waitFor();
    const item = await workbench.statusBarItem("OneCLI");
    assert.match((await item.locator("a").getAttribute("aria-label")) ?? "", /1Password is not connected/);
    await workbench.screenshot("1-welcome");
  });

  it("tells a Service Account token from other text, and keeps nothing of it when cancelled", async () => {
    await workbench.runCommand("OneCLI: Connect 1Password");
    const box = await workbench.quickInput("Connect 1Password");
    await box.type("eyJhbGciOiJFUzI1NiIsImtpZCI6Ing");
    await box.waitForMessage("those start with ops_");
    await box.type(world.service.token.slice(0, 400));
    await box.waitForMessage("incomplete or damaged");
    await box.type("x".repeat(10_000));
    await box.waitForMessage("longer than any token");
    await workbench.screenshot("2-wrong-token");
    await box.cancel();
    await (await mappings()).welcome.getByRole("button", { name: "Connect 1Password" }).waitFor();
  });

  it("explains a token that 1Password refuses", async () => {
    await workbench.runCommand("OneCLI: Connect 1Password");
    const box = await workbench.quickInput("Connect 1Password");
    await box.type(world.service.account.tokenWith({ srpX: "ab".repeat(32) }));
    await box.accept();
    await workbench.notification("1Password was not connected. 1Password refused the token");
    await workbench.screenshot("3-refused-token");
    await workbench.clearNotifications();
  });

  it("connects by the palette, blanks around the pasted token or not", async () => {
    await workbench.runCommand("OneCLI: Connect 1Password");
    const box = await workbench.quickInput("Connect 1Password");
    await box.type(`  ${world.service.token} `);
    await box.accept();
    await workbench.notification("Connected to local test service");
    await (await mappings()).welcome.getByRole("button", { name: "Add Mapping" }).waitFor();
    await workbench.clearNotifications();
  });

  /** Picks a row of the box with a title, once it is there: boxes of one flow share their title. */
  const pickRow = async (title: string, row: string) => {
    const box = await workbench.quickInput(title);
    await box.row(row).waitFor();
    await box.pick(row);
    return box;
  };
  const titled = "Add Mapping: api.anthropic.com";
  const steps = [
    ["Add Mapping", "Anthropic"],
    [titled, "API Keys"],
    [titled, "Anthropic"],
    [titled, "credential"],
    [titled, "x-api-key: {value}"],
  ] as const;

  for (const [index, [title, row]] of steps.entries()) {
    it(`leaves nothing behind when adding a mapping is cancelled at step ${index + 1}`, async () => {
      await workbench.runCommand("OneCLI: Add Mapping…");
      for (const [of, choice] of steps.slice(0, index)) {
        await pickRow(of, choice);
      }
      const box = await workbench.quickInput(title);
      await box.row(row).waitFor();
      await box.cancel();
      await (await mappings()).welcome.getByRole("button", { name: "Add Mapping" }).waitFor();
    });
  }

  it("adds a mapping by browsing vault, item and field, and goes back where asked to", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    await pickRow("Add Mapping", "Anthropic");
    const box = await pickRow(titled, "Dev Tokens");
    await box.row("GitHub").waitFor();
    await workbench.screenshot("4-items");
    await box.widget.locator('.quick-input-titlebar [aria-label^="Back"]').click();
    for (const [of, choice] of steps.slice(1)) {
      await pickRow(of, choice);
    }
    await workbench.notification("api.anthropic.com is mapped; its secret was read");
    const [row] = await (await mappings()).waitForLabels("api.anthropic.com");
    assert.equal(row?.description, "API Keys/Anthropic");
    assert.match(row.ariaLabel, /secret API Keys\/Anthropic, not used yet/);
    await workbench.clearNotifications();
  });

  it("lets an agent in a new terminal call the API with a key that it does not have", async () => {
    const terminal = await workbench.terminal();
    await terminal.type("echo is [$ANTHROPIC_API_KEY]");
    await terminal.waitForText(/is \[sk-ant-api03-onecli-placeholder/);
    await terminal.type("curl -s https://api.anthropic.com/v1/messages; echo done-$?");
    await terminal.waitForText("done-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
    await workbench.page.locator('.monaco-list-row[aria-label*="ready"]').waitFor();
    seen.push(await terminal.text());
    await terminal.type("env");
    await look();
    await workbench.screenshot("5-terminal");
  });

  it("examines the tools of a real terminal, and says how it went", async () => {
    const asked = world.upstream.received.length;
    await workbench.runCommand("OneCLI: Run Doctor");
    const rows = workbench.page.locator(".terminal-wrapper.active .xterm-rows");
    await rows.filter({ hasText: /\d+ problems?\.|All is well\./ }).waitFor({ timeout: 100_000 });
    await workbench.notification("OneCLI Doctor");
    await workbench.screenshot("5-doctor");
    const terminal = new TerminalPanel(workbench.page);
    await terminal.type("clear; echo left [$ELECTRON_RUN_AS_NODE]");
    await terminal.waitForText("left []");
    seen.push(await terminal.text());
    assert.equal(world.upstream.received.length, asked, "no mapped host was called");
    await workbench.clearNotifications();
  });

  for (const theme of themes) {
    it(`looks right in ${theme}`, async () => {
      await workbench.setColorTheme(theme);
      await workbench.screenshot(`6-${theme.toLowerCase().replaceAll(" ", "-")}`);
    });
  }

  it("tells of a mapping what there is to know when the pointer rests on it", async () => {
    const view = await mappings();
    await view.row("api.anthropic.com").hover();
    const hover = workbench.page.locator(".monaco-hover:visible", { hasText: "Cached value" });
    await hover.waitFor();
    const text = (await hover.innerText()).replaceAll("\u00a0", " ");
    assert.match(text, /API Keys\/Anthropic\/credential[\s\S]*ready[\s\S]*Last use/);
  });

  it("edits how a secret is sent, and the next request is sent so", async () => {
    const view = await mappings();
    await view.inlineAction("api.anthropic.com", "Edit Mapping…");
    const title = "Edit Mapping: api.anthropic.com";
    await pickRow(title, "Sent As");
    const input = await pickRow(title, "Another header…");
    await input.waitForMessage("with {value} for the secret");
    await input.type("Host: {value}");
    await input.waitForMessage("frames the request");
    await input.type("X-Token: key");
    await input.waitForMessage("must hold {value}");
    await input.type("X-Token: key={value}");
    await input.accept();
    await workbench.notification("api.anthropic.com is mapped");
    const terminal = new TerminalPanel(workbench.page);
    await terminal.type("clear; curl -s https://api.anthropic.com/v1/edited; echo edited-$?");
    await terminal.waitForText("edited-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-token"], `key=${world.secrets.anthropic}`);
    await view.inlineAction("api.anthropic.com", "Edit Mapping…");
    await pickRow(title, "Sent As");
    await pickRow(title, "x-api-key: {value}");
    await workbench.clearNotifications();
  });

  it("maps a path of a host that is mapped to another secret, sent in another way", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    const input = await pickRow("Add Mapping", "Another host…");
    await input.waitForMessage("A host, or *. and a domain");
    await input.type("api.anthropic.com");
    await input.waitForMessage("Enter asks for a path of it");
    await input.accept();
    await input.waitForMessage("and everything below");
    await input.type("v1");
    await input.waitForMessage("does not start with /");
    await input.type("/v1/admin");
    await input.accept();
    const path = "Add Mapping: api.anthropic.com/v1/admin/";
    for (const row of ["API Keys", "OpenAI", "api-key", "User name and password (Basic)…"]) {
      await pickRow(path, row);
    }
    await input.waitForMessage("the secret is the password");
    await input.type("me:x");
    await input.waitForMessage("has a colon");
    await input.type("me");
    await input.accept();
    await workbench.notification("api.anthropic.com/v1/admin/ is mapped");
    const view = await mappings();
    await view.waitForLabels("api.anthropic.com", "api.anthropic.com/v1/admin/");
    const terminal = new TerminalPanel(workbench.page);
    await terminal.type("clear; curl -s https://api.anthropic.com/v1/%61dmin/users; echo admin-$?");
    await terminal.waitForText("admin-0");
    const received = world.upstream.received.at(-1);
    const basic = Buffer.from(`me:${world.secrets.openai}`).toString("base64");
    assert.deepEqual(
      [received?.url, received?.headers.authorization],
      ["/v1/%61dmin/users", `Basic ${basic}`],
    );
    await workbench.screenshot("6-paths");
    await workbench.clearNotifications();
    await view.inlineAction("api.anthropic.com/v1/admin/", "Remove Mapping");
    await workbench.clickNotification("api.anthropic.com/v1/admin/ is no longer mapped", "Undo");
    await view.waitForLabels("api.anthropic.com", "api.anthropic.com/v1/admin/");
    await view.inlineAction("api.anthropic.com/v1/admin/", "Remove Mapping");
    await view.waitForLabels("api.anthropic.com");
    await workbench.clearNotifications();
  });

  it("offers a path in the last step, where going without one is the default", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    await pickRow("Add Mapping", "OpenAI");
    for (const row of ["API Keys", "OpenAI", "api-key", "Only below a path…"]) {
      await pickRow("Add Mapping: api.openai.com", row);
    }
    const input = await workbench.quickInput("Add Mapping: api.openai.com");
    await input.waitForMessage("and everything below");
    await input.type("/v1/");
    await input.accept();
    await pickRow("Add Mapping: api.openai.com/v1/", "As a known service takes it…");
    await pickRow("Add Mapping: api.openai.com/v1/", "Google Gemini");
    const view = await mappings();
    await view.waitForLabels("api.anthropic.com", "api.openai.com/v1/");
    await view.inlineAction("api.openai.com/v1/", "Edit Mapping…");
    const title = "Edit Mapping: api.openai.com/v1/";
    await (await workbench.quickInput(title)).row("Sent As").waitFor();
    await workbench.screenshot("6-edit");
    await pickRow(title, "Path");
    await input.waitForMessage("and everything below");
    await input.type("/");
    await input.accept();
    await view.waitForLabels("api.anthropic.com", "api.openai.com");
    await view.inlineAction("api.openai.com", "Remove Mapping");
    await view.waitForLabels("api.anthropic.com");
    await workbench.clearNotifications();
  });

  it("says where an agent gives its placeholder to another host", async () => {
    const terminal = new TerminalPanel(workbench.page);
    await terminal.type('clear; curl -s -m 5 -H "X-Key: $ANTHROPIC_API_KEY" http://elsewhere.example/; echo');
    await workbench.notification("sent the placeholder of Anthropic to elsewhere.example");
    await workbench.clearNotifications();
  });

  it("duplicates a mapping to another host, which is removed again", async () => {
    const view = await mappings();
    await view.menuAction("api.anthropic.com", "Duplicate Mapping to Another Host…");
    const input = await workbench.quickInput("Duplicate the Mapping of api.anthropic.com");
    await input.type("console.anthropic.com");
    await input.accept();
    await view.waitForLabels("api.anthropic.com", "console.anthropic.com");
    await view.inlineAction("console.anthropic.com", "Remove Mapping");
    await view.waitForLabels("api.anthropic.com");
    await workbench.clearNotifications();
  });

  it("takes the host out of a pasted address, and refuses one that is too wide", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    const input = await pickRow("Add Mapping", "Another host…");
    await input.type("*.com");
    await input.waitForMessage("wildcard over a public suffix");
    await input.type("api.anthropic.com/");
    await input.waitForMessage("is mapped already");
    await input.type("https://API.OpenAI.com/v1/models?x");
    await input.waitForMessage("Enter takes api.openai.com");
    await input.accept();
    const reference = await pickRow("Add Mapping: api.openai.com", "Type a reference…");
    await reference.waitForMessage("by names or ids");
    await reference.type("op://API Keys/OpenAI");
    await reference.waitForMessage("2 part(s)");
    await reference.type("op://API Keys/Nobody/api-key");
    await reference.accept();
    await pickRow("Add Mapping: api.openai.com", "Authorization: Bearer {value}");
    await answerDialog("could not be read", "Cancel");
    await (await mappings()).waitForLabels("api.anthropic.com");
  });

  it("saves such a mapping if told to, and shows in the tree that it fails, and why", async () => {
    await workbench.runCommand("OneCLI: Add Mapping…");
    await pickRow("Add Mapping", "OpenAI");
    const reference = await pickRow("Add Mapping: api.openai.com", "Type a reference…");
    await reference.waitForMessage("by names or ids");
    await reference.type("op://API Keys/Nobody/api-key");
    await reference.accept();
    await pickRow("Add Mapping: api.openai.com", "Authorization: Bearer {value}");
    await answerDialog("could not be read", "Save Anyway");
    const view = await mappings();
    await view.waitForLabels("api.anthropic.com", "api.openai.com");
    await workbench.clearNotifications();
    await view.inlineAction("api.openai.com", "Test Mapping");
    await workbench.notification("No item matches");
    await workbench.page
      .locator('.monaco-list-row[aria-label*="api.openai.com"][aria-label*="fails"]')
      .waitFor();
    await workbench.screenshot("7-failing");
    await workbench.clearNotifications();
  });

  it("removes a mapping, and puts it back when asked to", async () => {
    const view = await mappings();
    await view.inlineAction("api.openai.com", "Remove Mapping");
    await view.waitForLabels("api.anthropic.com");
    await workbench.clickNotification("api.openai.com is no longer mapped", "Undo");
    await view.waitForLabels("api.anthropic.com", "api.openai.com");
    await view.menuAction("api.openai.com", "Disable Mapping");
    await workbench.page
      .locator('.monaco-list-row[aria-label*="api.openai.com"][aria-label*="disabled"]')
      .waitFor();
    await view.menuAction("api.openai.com", "Remove Mapping");
    await view.waitForLabels("api.anthropic.com");
  });

  it("goes on after a reload while a stream runs: mappings, account, and the terminal that was open", async () => {
    const terminal = await workbench.terminal();
    const plain = world.upstream.handler;
    world.upstream.handler = (request, response) => {
      request.resume();
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
    };
    await terminal.type("curl -sN https://api.anthropic.com/v1/stream; echo cut-$?");
    await terminal.waitForText("data: first");
    await workbench.reload();
    world.upstream.handler = plain;
    await (await mappings()).waitForLabels("api.anthropic.com");
    const item = await workbench.statusBarItem("OneCLI 1");
    assert.match((await item.locator("a").getAttribute("aria-label")) ?? "", /connected, 1 mapping/);
    // The shell is the one from before, with the variables from before: the gateway has to be where it was.
    await terminal.waitForText(/cut-(18|56|92)/);
    const before = world.upstream.received.length;
    await terminal.type(
      "curl -s --retry 5 --retry-connrefused https://api.anthropic.com/v1/after; echo after-$?",
    );
    await terminal.waitForText("after-0");
    assert.equal(world.upstream.received.length, before + 1);
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
  });

  it("tells what to do when the service account is revoked, in the editor and to the agent", async () => {
    world.service.revoke();
    await workbench.runCommand("OneCLI: Read Secrets Afresh");
    const terminal = await workbench.terminal();
    await terminal.type("curl -s https://api.anthropic.com/v1/revoked; echo");
    await terminal.waitForText("token-invalid");
    await workbench.notification("A request to api.anthropic.com was refused (token-invalid)");
    await workbench.screenshot("8-revoked");
    seen.push(await terminal.text());
    world.service.restore();
    await workbench.runCommand("OneCLI: Reconnect 1Password");
    await workbench.notification("Connected to local test service");
    await terminal.type("clear; curl -s https://api.anthropic.com/v1/restored; echo restored-$?");
    await terminal.waitForText("restored-0");
    assert.equal(world.upstream.received.at(-1)?.url, "/v1/restored");
    await workbench.clearNotifications();
  });

  it("gives a terminal of its profile what it needs", async () => {
    await workbench.runCommand("OneCLI: New Terminal with OneCLI");
    const terminal = new TerminalPanel(workbench.page);
    await terminal.ready();
    await terminal.type("curl -s https://api.anthropic.com/v1/profile; echo profile-$?");
    await terminal.waitForText("profile-0");
    assert.equal(world.upstream.received.at(-1)?.url, "/v1/profile");
  });

  it("imports the plain form of mappings, after showing what it would do", async () => {
    const file = join(session.folder, "mappings.json");
    await writeFile(
      file,
      JSON.stringify({ "api.github.com": "op://Dev Tokens/GitHub/token", "*.com": "op://a/b/c" }),
    );
    await workbench.runCommand("OneCLI: Import Mappings…");
    const dialog = await workbench.quickInput("Import Mappings");
    await dialog.pick("mappings.json");
    await workbench.notification("is a wildcard over a public suffix");
    const box = await workbench.quickInput("Import Mappings");
    // Nothing is taken unasked.
    await box.row("api.github.com").click();
    await workbench.screenshot("9-import");
    await box.widget.getByRole("button", { name: "OK" }).click();
    await (await mappings()).waitForLabels("api.anthropic.com", "api.github.com");
    await workbench.clearNotifications();
  });

  it("asks before a program changes a mapping over the API: no is no, once is once", async () => {
    await workbench.runCommand("OneCLI: Copy API Token");
    const said = await (await workbench.notification("The API's token is on the clipboard")).innerText();
    apiToken = await workbench.page.evaluate<string>("navigator.clipboard.readText()");
    const api = await ApiClient.open(Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]), apiToken);
    const path = "/api/vault/onepassword/mappings";
    const json = { hostname: "api.github.com", reference: "op://API Keys/OpenAI/api-key" };
    const question = "May a program send a secret of your vault to api.github.com?";
    const refused = api.refused("denied", "PUT", path, { json });
    await workbench.page.locator(".monaco-dialog-box", { hasText: json.reference }).waitFor();
    await workbench.screenshot("9-api-question");
    // Somebody who is typing just then has allowed nothing.
    await workbench.page.keyboard.press("Enter");
    await refused;
    const again = api.refused("denied", "PUT", path, { json });
    await answerDialog(question, "No");
    await again;
    const done = api.get(200, "PUT", path, { json });
    await answerDialog(question, "Once");
    await done;
    const added = api.get(201, "PUT", path, { json: { ...json, hostname: "api.openai.com" } });
    await answerDialog(
      "May a program send a secret of your vault to api.openai.com?",
      "Always for This Host",
    );
    await added;
    await (await mappings()).waitForLabels("api.anthropic.com", "api.github.com", "api.openai.com");
    const removed = api.get(204, "DELETE", `${path}/api.openai.com`);
    await answerDialog("May a program remove the mapping of api.openai.com?", "Once");
    await removed;
    await (await mappings()).waitForLabels("api.anthropic.com", "api.github.com");
    seen.push(...api.heard);
    const terminal = await workbench.terminal();
    await terminal.type("clear; env; echo environment-$?");
    await terminal.waitForText("environment-0");
    seen.push(await terminal.text());
    await workbench.clearNotifications();
  });

  it("lets go of a 1Password that does not answer, and keeps the account as it was", async () => {
    const clear = world.service.fault({ hang: true });
    await workbench.runCommand("OneCLI: Connect 1Password");
    const box = await workbench.quickInput("Connect 1Password with Another Token");
    await box.type(world.service.token);
    await box.accept();
    await workbench.clickNotification("Connecting to 1Password…", "Cancel");
    clear();
    const terminal = await workbench.terminal();
    await terminal.type("curl -s https://api.anthropic.com/v1/cancelled; echo cancelled-$?");
    await terminal.waitForText("cancelled-0");
    assert.equal(world.upstream.received.at(-1)?.headers["x-api-key"], world.secrets.anthropic);
  });

  it("shows the walkthrough", async () => {
    await workbench.runCommand("Welcome: Open Walkthrough...");
    const input = workbench.page.locator(".quick-input-widget:visible .quick-input-filter input.input");
    await input.fill("Get started with OneCLI");
    await workbench.page.keyboard.press("Enter");
    await workbench.page.getByText("Let agents use your secrets without giving them away.").first().waitFor();
    await workbench.screenshot("9-walkthrough");
  });

  it("forgets the account everywhere when it is disconnected", async () => {
    await workbench.runCommand("OneCLI: Disconnect 1Password");
    await answerDialog("Disconnect 1Password?", "Disconnect");
    await workbench.notification("1Password is disconnected");
    // A terminal from before is told what is missing; one from after is left alone.
    const former = new TerminalPanel(workbench.page);
    await former.type("clear; curl -s https://api.anthropic.com/v1/gone; echo");
    await former.waitForText("not-connected");
    await look();
    const terminal = await workbench.terminal();
    await terminal.type('echo "proxy [$HTTPS_PROXY] key [$ANTHROPIC_API_KEY]"');
    await terminal.waitForText("proxy [] key []");
  });

  it("has left the token and the secrets nowhere: no file, log, page or terminal", async () => {
    const secrets = new Map<string, string>([
      ["token", world.service.token],
      ...Object.entries(world.secrets),
    ]);
    seen.push(session.log);
    const unseen = new Map([...secrets, ["token of the API", apiToken]]);
    assert.deepEqual(
      seen.flatMap((text) => leaksIn(text, unseen)),
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
