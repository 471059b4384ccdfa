// The built page in a real browser, with a stand-in of the extension host.
import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Locator } from "playwright-core";
import { type ActivityRow } from "../../src/shared/webviewProtocol.ts";
import { accessibilityProblems } from "../support/accessibility.ts";
import { activityRow, busyState, DashboardPage, emptyState, entryRow } from "../support/dashboardPage.ts";
import { projectRoot } from "../support/vscode/paths.ts";
import { colorThemes } from "../support/vscode/workbench.ts";

const payload = `<img src=x onerror="window.hacked=1"><b id="injected">&amp;</b>`;
const secretsGrid = "Mappings and stored secrets";
const activityGrid = "Requests, the latest first";

describe("the dashboard's page", function () {
  this.timeout(60_000);
  let dashboard: DashboardPage;
  let page: DashboardPage["page"];
  const grid = (name: string) => page.getByRole("grid", { name });
  const rows = (name: string) => grid(name).locator('[role="row"][data-key]');
  const row = (name: string, text: string) => rows(name).filter({ hasText: text }).first();
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const focused = (locator: Locator) => locator.and(page.locator(":focus"));
  const patch = (activity: ActivityRow[]) => dashboard.send({ type: "patch", activity });

  before(async () => {
    dashboard = await DashboardPage.launch();
    ({ page } = dashboard);
  });
  after(async () => {
    await dashboard.close();
  });
  beforeEach(async () => {
    dashboard.state = busyState(Date.now());
    dashboard.handlers = {
      check: ({ draft }) => ({ hostname: draft.hostname, sentAs: "x-api-key: {value}" }),
      complete: () => [],
    };
    dashboard.texts = {};
    dashboard.language = "en";
    dashboard.received.length = 0;
    dashboard.complaints.length = 0;
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.evaluate("globalThis.sessionStorage?.clear()").catch(() => undefined);
    await dashboard.open();
  });
  afterEach(() => {
    // Among them: what the page's policy has blocked.
    assert.deepEqual(dashboard.complaints, []);
  });

  it("is at most 150 KB", async () => {
    const sizes = await Promise.all(
      ["dashboard.js", "dashboard.css"].map(async (name) => stat(join(projectRoot, "dist/webview", name))),
    );
    assert.ok(sizes.reduce((sum, { size }) => sum + size, 0) <= 150_000);
  });

  it("shows HTML in names, hosts, paths, errors and reports as text", async () => {
    const failure = { code: payload, message: payload, hint: payload };
    const cell = { state: "failed", cause: payload, fix: payload } as const;
    const cells = { proxy: cell, ca: cell, header: cell, sse: cell, webSocket: cell, h2: cell };
    dashboard.state = {
      connection: {
        account: { kind: "present", name: payload, vaults: 1 },
        gateway: "running",
        usage: { hour: 0, day: 0 },
        problem: { failure, at: 0, fix: { title: payload, command: "onecli.account.connect" } },
      },
      entries: [
        entryRow(payload, {
          path: payload,
          secret: payload,
          names: payload,
          sentAs: payload,
          rule: { kind: "header", name: payload, value: payload },
          state: { kind: "error", failure },
        }),
      ],
      activity: [
        activityRow(1, {
          agent: payload,
          method: payload,
          host: payload,
          path: payload,
          secret: payload,
          entry: payload,
          warning: payload,
          failure,
        }),
      ],
      traffic: [],
      doctor: {
        kind: "done",
        at: 0,
        report: {
          product: "OneCLI Doctor",
          version: payload,
          ok: false,
          problems: 1,
          environment: [{ name: payload, cell }],
          tools: [{ name: payload, program: payload, version: payload, cells }],
          notes: [payload],
        },
      },
    };
    dashboard.handlers = {
      check: () => ({ hostname: payload, sentAs: payload, problem: { part: "hostname", message: payload } }),
      complete: () => [{ text: payload, label: payload, detail: payload }],
      vaults: () => [payload],
      explain: () => ({
        result: "injected",
        candidates: [{ source: "stored", id: payload, label: payload, outcome: payload }],
        sets: payload,
        removes: [payload],
      }),
    };
    await dashboard.open();
    await button("Show names").click();
    await rows(activityGrid).click();
    await button("Explain").click();
    await page.getByText("A request like this now").waitFor();
    await rows(secretsGrid).dblclick();
    await page.getByLabel("Secret reference").first().fill("op://");
    await page.locator(".suggestions [role=option]:visible").first().waitFor();
    assert.ok((await page.getByText(payload).count()) > 20);
    assert.equal(await page.locator("#injected").count(), 0);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate("window.hacked"), undefined);
  });

  it("drops a message that is not of the contract", async () => {
    await dashboard.sendAnything({ type: "patch", entries: "all" });
    await dashboard.sendAnything({ type: "patch", activity: [{ ...activityRow(9_999), value: "secret" }] });
    await dashboard.sendAnything("hello");
    await patch([activityRow(10_000, { path: "/after" })]);
    await row(activityGrid, "/after").waitFor();
    assert.equal(await rows(secretsGrid).count(), 4);
    assert.equal(await row(activityGrid, "secret").count(), 0);
    assert.deepEqual(
      dashboard.complaints.splice(0),
      Array(3).fill("A message that is not of the protocol was dropped."),
    );
  });

  it("says what to do while there is nothing to show", async () => {
    dashboard.state = emptyState;
    await dashboard.open();
    await page.getByText("Connect 1Password, then say which host gets which secret.").waitFor();
    await page.getByText("No request yet.").waitFor();
    const ran = dashboard.next(({ type }) => type === "run");
    await button("Connect 1Password").click();
    assert.deepEqual(await ran, { type: "run", command: "onecli.account.connect" });
    await page.getByText("Nothing happened in the last hour.").waitFor({ state: "attached" });
  });

  describe("the account", () => {
    it("shows its name, its vaults when asked, its use of the quota, and disconnects by the editor's command", async () => {
      dashboard.handlers = { vaults: () => ["API Keys", "Dev Tokens"] };
      const card = page.getByRole("region", { name: "1Password" });
      await card.getByText("CI robot (example.1password.com)").waitFor();
      await card.getByText("412 in 24 hours, 37 in the last one").waitFor();
      await button("Show names").click();
      await card.getByText("API Keys, Dev Tokens").waitFor();
      const ran = dashboard.next(({ type }) => type === "run");
      await button("Disconnect").click();
      assert.deepEqual(await ran, { type: "run", command: "onecli.account.disconnect" });
    });

    it("tells the last error with its fix", async () => {
      const failure = {
        code: "token-invalid",
        message: "1Password refused the token.",
        hint: "Connect again.",
      };
      const fix = { title: "Connect 1Password", command: "onecli.account.connect" } as const;
      const { connection } = dashboard.state;
      await dashboard.send({
        type: "patch",
        connection: { ...connection, problem: { failure, at: Date.now(), fix } },
      });
      await page.getByRole("alert").getByText("1Password refused the token.").waitFor();
      const ran = dashboard.next(({ type }) => type === "run");
      await button("Connect 1Password").click();
      assert.deepEqual(await ran, { type: "run", command: "onecli.account.connect" });
    });
  });

  it("says what a team's gateway does not show, and offers none of it", async () => {
    const { connection } = dashboard.state;
    const { usage: _, ...known } = connection;
    const team = { host: "gateway.example:8443" };
    dashboard.state = { ...dashboard.state, connection: { ...known, team } };
    await dashboard.open();
    const card = page.getByRole("region", { name: "1Password" });
    await card.getByText("The team gateway gateway.example:8443 is used").waitFor();
    await card.getByText("Its API shows no vaults, no stored secrets").waitFor();
    for (const name of ["Show names", "Check Again", "Add Stored Secret…"]) {
      assert.equal(await button(name).count(), 0, name);
    }
    assert.equal(await page.getByText("Requests to 1Password").count(), 0);
    await button("Edit: api.openai.com").click();
    await page.getByLabel("Secret reference").first().fill("op://");
    await page.getByText("api.openai.com gets").waitFor();
    assert.deepEqual(dashboard.asked("complete"), []);
    const problem = "The team gateway gateway.example:8443 did not answer.";
    await dashboard.send({ type: "patch", connection: { ...known, team: { ...team, problem } } });
    await card.getByRole("alert").getByText(problem).waitFor();
    const ran = dashboard.next(({ type }) => type === "run");
    await button("Team Gateway…").click();
    assert.deepEqual(await ran, { type: "run", command: "onecli.gateway.useTeam" });
  });

  describe("the secrets", () => {
    it("are filtered by words and by state, and sorted by their columns", async () => {
      await page.getByLabel("Filter secrets").first().fill("openai bearer");
      await page.getByText("1 of 4 shown").waitFor();
      await page.getByLabel("Filter secrets").first().fill("");
      await page.getByRole("region", { name: "Secrets" }).getByLabel("Show").selectOption("disabled");
      await page.getByText("1 of 4 shown").waitFor();
      await page.getByRole("region", { name: "Secrets" }).getByLabel("Show").selectOption("all");
      const heading = grid(secretsGrid).getByRole("columnheader", { name: "Host" });
      const hosts = () => rows(secretsGrid).locator('[role="gridcell"]:nth-child(2)').allInnerTexts();
      await heading.getByRole("button").click();
      assert.equal(await heading.getAttribute("aria-sort"), "ascending");
      assert.match((await hosts())[0] ?? "", /^a-very/);
      await heading.getByRole("button").click();
      assert.equal(await heading.getAttribute("aria-sort"), "descending");
      assert.deepEqual((await hosts())[0], "api.openai.com");
      await heading.getByRole("button").click();
      assert.deepEqual((await hosts())[0], "api.anthropic.com");
    });

    it("are changed in place, with completion of the vault's names, and looked at as they are typed", async () => {
      dashboard.handlers = {
        check: ({ draft }) =>
          draft.hostname.includes(" ")
            ? { problem: { part: "hostname", message: "This has a blank." } }
            : { hostname: draft.hostname, sentAs: "x-api-key: {value}" },
        complete: ({ text }) =>
          text === "op://API Keys/"
            ? [{ text: "op://API Keys/New/credential", label: "New", names: "API Keys/New/credential" }]
            : [{ text: "op://API Keys/", label: "API Keys" }],
        save: ({ draft }) => ({ source: "1password", id: draft.hostname }),
        test: () => ({ ms: 34.2 }),
      };
      await button("Edit: api.openai.com").click();
      const form = page.getByRole("form", { name: "Change api.openai.com" });
      await form.getByText("No item matches the reference.").waitFor();
      await form.getByLabel("Host").first().fill("api openai");
      await form.getByText("This has a blank.").waitFor();
      await form.getByLabel("Host").first().fill("api.openai.com");
      const reference = form.getByLabel("Secret reference").first();
      await reference.fill("op://");
      await page.getByRole("option", { name: "API Keys" }).waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByRole("option", { name: "New" }).waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      assert.equal(await reference.inputValue(), "op://API Keys/New/credential");
      await form.getByLabel("Sent as").selectOption("header");
      await form.getByLabel("Header").first().fill("X-Key");
      await form.getByLabel("Value, with {value}").first().fill("key={value}");
      await button("Save").click();
      await row(secretsGrid, "read in 34 ms").waitFor();
      assert.deepEqual(dashboard.asked("save"), [
        {
          draft: {
            source: "1password",
            hostname: "api.openai.com",
            path: "/",
            secret: "op://API Keys/New/credential",
            names: "API Keys/New/credential",
            rule: { kind: "header", name: "X-Key", value: "key={value}" },
            enabled: true,
          },
          replacing: { source: "1password", id: "api.openai.com" },
        },
      ]);
      await focused(row(secretsGrid, "api.openai.com")).waitFor();
    });

    it("are added, with the known services first; a refusal of the host leaves the form as it is", async () => {
      dashboard.handlers = {
        ...dashboard.handlers,
        save: () => {
          throw new Error("The disk is full.");
        },
      };
      await button("Add Mapping").click();
      const form = page.getByRole("form", { name: "Add a mapping" });
      await page.getByRole("option", { name: "OpenAI api.openai.com" }).click();
      assert.equal(await form.getByLabel("Host").first().inputValue(), "api.openai.com");
      await form.getByLabel("Secret reference").first().fill("op://a/b/c");
      await page.keyboard.press("Enter");
      await form.getByText("The disk is full.").waitFor();
      assert.equal(await form.getByLabel("Secret reference").first().inputValue(), "op://a/b/c");
      await page.keyboard.press("Escape");
      await form.waitFor({ state: "detached" });
    });

    it("are tested with a live result: read in so many milliseconds, or not because …", async () => {
      const { promise, resolve } = Promise.withResolvers<{ ms: number }>();
      dashboard.handlers = { test: () => promise };
      await button("Test: api.anthropic.com").click();
      await row(secretsGrid, "is being read…").waitFor();
      resolve({ ms: 1234 });
      await row(secretsGrid, "read in 1.2 sec").waitFor();
      dashboard.handlers = {
        test: () => {
          throw new Error("No vault has this name.");
        },
      };
      await button("Test: api.openai.com").click();
      await row(secretsGrid, "No vault has this name.").waitFor();
    });

    it("are selected, enabled, disabled and removed together, and brought back", async () => {
      dashboard.handlers = {
        enable: () => null,
        remove: ({ keys }) => ({ token: 7, removed: keys.length }),
        undo: () => null,
      };
      await page.getByLabel("Select api.anthropic.com").check();
      await row(secretsGrid, "api.github.com").focus();
      await page.keyboard.press("Space");
      const bar = page.getByRole("group", { name: "Selected" });
      await bar.getByText("2 selected").waitFor();
      await bar.getByRole("button", { name: "Disable" }).click();
      await bar.getByRole("button", { name: "Remove" }).click();
      await page.getByText("2 entries were removed.").waitFor();
      await button("Undo").click();
      await page.getByText("2 entries were removed.").waitFor({ state: "detached" });
      const keys = [
        { source: "1password", id: "api.anthropic.com" },
        { source: "stored", id: "api.github.com" },
      ];
      assert.deepEqual(dashboard.asked("enable"), [{ keys, enabled: false }]);
      assert.deepEqual(dashboard.asked("remove"), [{ keys }]);
      assert.deepEqual(dashboard.asked("undo"), [{ token: 7 }]);
    });

    it("are 500 and exist only where they are in sight", async () => {
      const entries = Array.from({ length: 500 }, (_, index) =>
        entryRow(`host-${String(index).padStart(3, "0")}.example.com`),
      );
      await dashboard.send({ type: "patch", entries });
      await page.getByText("500 shown").waitFor();
      assert.ok((await rows(secretsGrid).count()) < 40);
      await rows(secretsGrid).first().focus();
      await page.keyboard.press("End");
      await row(secretsGrid, "host-499").waitFor();
      await focused(row(secretsGrid, "host-499")).waitFor();
      assert.ok((await rows(secretsGrid).count()) < 40);
      assert.equal(await row(secretsGrid, "host-499").getAttribute("aria-rowindex"), "501");
      assert.equal(await grid(secretsGrid).getAttribute("aria-rowcount"), "501");
      await page.keyboard.press("PageUp");
      await page.keyboard.press("Home");
      await focused(row(secretsGrid, "host-000")).waitFor();
    });

    it("that are stored are added and given another value by the editor; a mapping says which of them wins", async () => {
      dashboard.handlers = {
        ...dashboard.handlers,
        replaceValue: () => null,
        remove: () => ({ token: 1, removed: 0 }),
      };
      const ran = dashboard.next(({ type }) => type === "run");
      await button("Add Stored Secret…").click();
      assert.deepEqual(await ran, { type: "run", command: "onecli.storedSecret.add" });
      await button("Edit: api.github.com").click();
      assert.equal(await page.getByLabel("Name").first().inputValue(), "GitHub token of the team");
      assert.equal(await button("Test: api.github.com").count(), 0);
      const asked = dashboard.next(({ type }) => type === "ask");
      await button("Replace Value…").click();
      await asked;
      const key = { source: "stored", id: "api.github.com" };
      assert.deepEqual(dashboard.asked("replaceValue"), [{ key }]);
      const entries = [entryRow("api.github.com", { override: { by: "GitHub token", all: true } })];
      await dashboard.send({ type: "patch", entries });
      await row(secretsGrid, "the stored secret “GitHub token” wins").waitFor();
    });

    it("show how they fare as it changes", async () => {
      await row(secretsGrid, "not used yet").waitFor();
      await dashboard.send({
        type: "patch",
        states: [{ source: "stored", id: "api.github.com", state: { kind: "ready", lastUse: Date.now() } }],
      });
      await row(secretsGrid, "api.github.com").getByText("ready").waitFor();
    });
  });

  describe("the activity", () => {
    it("has the latest first, is filtered, and stands still while it is paused", async () => {
      await patch([activityRow(1_000, { path: "/v1/latest" })]);
      await rows(activityGrid).first().getByText("/v1/latest").waitFor();
      await button("Pause").click();
      await patch([activityRow(1_001, { path: "/v1/unseen" }), activityRow(1_002)]);
      await button("Resume (2 more)").waitFor();
      assert.equal(await row(activityGrid, "/v1/unseen").count(), 0);
      await button("Resume (2 more)").click();
      await row(activityGrid, "/v1/unseen").waitFor();
      await page.getByLabel("Filter activity").first().fill("openai 424");
      await page.getByText(/^7 of 63 shown$/).waitFor();
      await page.getByLabel("Filter activity").first().fill("");
      await page.getByRole("region", { name: "Activity" }).getByLabel("Show").selectOption("tunnels");
      await page.getByText(/^12 of 63 shown$/).waitFor();
      // It is left as it was when the page comes back.
      await dashboard.open();
      await page.getByText(/^12 of 60 shown$/).waitFor();
    });

    it("shows the details of a request and explains what another would get", async () => {
      dashboard.handlers = {
        explain: () => ({
          result: "injected",
          candidates: [
            { source: "stored", id: "api.openai.com", label: "Team key", outcome: "wins" },
            { source: "1password", id: "api.openai.com", label: "op://a/b/c", outcome: "stored-wins" },
          ],
          sets: "header Authorization",
          removes: ["header authorization"],
          cacheAge: 12_000,
        }),
      };
      const failing = row(activityGrid, "/v1/chat/completions");
      await failing.focus();
      await page.keyboard.press("Enter");
      const drawer = page.getByRole("complementary", { name: "Request" });
      await drawer.getByText("reference-not-found").waitFor();
      await drawer.getByText("POST /v1/chat/completions").waitFor();
      await drawer.getByRole("button", { name: "Explain" }).click();
      await drawer.getByText("gets a secret.").waitFor();
      await drawer.getByText("a stored secret wins").waitFor();
      assert.deepEqual(dashboard.asked("explain"), [
        { host: "api.openai.com", path: "/v1/chat/completions" },
      ]);
      await page.keyboard.press("Escape");
      await drawer.waitFor({ state: "detached" });
      await focused(failing).waitFor();
    });

    it("exports all of it, or what the filter shows", async () => {
      dashboard.handlers = { export: () => ({ saved: true }) };
      await button("Export HAR").click();
      await page.getByLabel("Filter activity").first().fill("chat");
      await page.getByText(/^7 of 60 shown$/).waitFor();
      const exported = dashboard.next(({ type }) => type === "ask");
      await button("Export JSON").click();
      await exported;
      assert.deepEqual(dashboard.asked("export"), [
        { format: "har" },
        {
          format: "json",
          seqs: [3, 10, 17, 31, 38, 45, 52],
        },
      ]);
    });

    it("keeps a thousand of ten thousand records, and stays where the person reads", async () => {
      await rows(activityGrid).first().focus();
      for (let step = 0; step < 3; step++) {
        await page.keyboard.press("PageDown");
      }
      const reading = (await page.locator(":focus").getAttribute("data-key")) ?? "";
      const before = await page.locator(":focus").boundingBox();
      for (let batch = 0; batch < 5; batch++) {
        await patch(Array.from({ length: 100 }, (_, index) => activityRow(100 + batch * 100 + index)));
      }
      await page.getByText("560 shown").waitFor();
      const after = await page.locator(`[data-key="${reading}"]`).last().boundingBox();
      assert.equal(after?.y, before?.y, "what is read stays where it is");
      for (let batch = 0; batch < 95; batch++) {
        await patch(Array.from({ length: 100 }, (_, index) => activityRow(600 + batch * 100 + index)));
      }
      await page.getByText("1,000 shown").waitFor();
      assert.ok((await rows(activityGrid).count()) < 40);
      assert.ok((await page.locator("*").count()) < 2_000);
      await page.getByLabel("Filter activity").first().fill("nothing like it");
      await page.getByText("0 of 1,000 shown").waitFor();
    });

    it("is emptied when the host says so", async () => {
      await dashboard.send({ type: "patch", cleared: true });
      await page.getByText("No request yet.").waitFor();
    });
  });

  it("draws the last hour, and has it as a table", async () => {
    const minute = Math.floor(Date.now() / 60_000);
    dashboard.state = { ...emptyState, traffic: [{ minute, requests: 7, errors: 2, reads: 1 }] };
    await dashboard.open();
    await page.getByRole("img", { name: "Requests: 7 in the last hour, 7 in the busiest minute" }).waitFor();
    await dashboard.send({ type: "patch", traffic: [{ minute, requests: 9, errors: 2, reads: 1 }] });
    await page.getByRole("img", { name: "Requests: 9 in the last hour" }).waitFor();
    await page.getByText("As a table").click();
    const [cells] = await page.locator("onecli-traffic tbody tr").allInnerTexts();
    assert.match(cells ?? "", /9\s+2\s+1$/);
  });

  it("runs the doctor and shows what it found", async () => {
    const card = page.getByRole("region", { name: "Doctor" });
    await card.getByText("CURL_CA_BUNDLE names another file.").waitFor();
    await dashboard.send({ type: "patch", doctor: { kind: "running" } });
    await card.getByText("The tools of a terminal are being examined…").waitFor();
    await dashboard.send({ type: "patch", doctor: { kind: "none" } });
    const ran = dashboard.next(({ type }) => type === "run");
    await button("Run Doctor").click();
    assert.deepEqual(await ran, { type: "run", command: "onecli.doctor.run" });
  });

  it("is walked through by keyboard: every control is reached, one row of each table is", async () => {
    const reached: string[] = [];
    await page.keyboard.press("Tab");
    for (let step = 0; step < 80; step++) {
      const name = await page.evaluate<string>(
        `(() => {
          let element = document.activeElement;
          const where = element.dataset.key;
          while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
          return element === document.body ? "" : where ?? (element.ariaLabel || element.textContent).trim();
        })()`,
      );
      if (name === "") {
        break;
      }
      reached.push(name);
      await page.keyboard.press("Tab");
    }
    for (const name of [
      "Show names",
      "Check Again",
      "Disconnect",
      "As a table",
      "Run Again",
      "Filter secrets",
      "Add Mapping",
      "1password api.anthropic.com",
      "Select api.anthropic.com",
      "Edit: api.anthropic.com",
      "Remove: api.anthropic.com",
      "Filter activity",
      "Pause",
      "59",
    ]) {
      assert.ok(reached.includes(name), `${name} of ${reached.join(", ")}`);
    }
    assert.equal(reached.filter((name) => /^\d+$/.test(name)).length, 1, "one row of the activity");
    assert.ok(!reached.includes("Edit: api.openai.com"), "the arrows lead to the other rows");
  });

  for (const theme of colorThemes) {
    it(`has nothing for axe to complain of in ${theme}`, async () => {
      await dashboard.open(theme);
      await page.getByText("All tools").click();
      await page.getByText("As a table").click();
      await rows(activityGrid).first().click();
      await page.getByRole("complementary").waitFor();
      await button("Edit: api.openai.com").click();
      await page.getByLabel("Host").first().waitFor();
      assert.deepEqual(await accessibilityProblems(page), []);
      dashboard.state = emptyState;
      await dashboard.open(theme);
      assert.deepEqual(await accessibilityProblems(page), []);
    });
  }

  it("speaks the language of the editor", async () => {
    const bundle = await readFile(join(projectRoot, "l10n/bundle.l10n.de.json"), "utf8");
    dashboard.texts = JSON.parse(bundle) as Record<string, string>;
    dashboard.language = "de";
    await dashboard.open();
    await button("Zuordnung hinzufügen").waitFor();
    await page.getByText("412 in 24 Stunden").waitFor();
  });
});
