// The built page of the dashboard in a real browser, with a stand-in of the extension host that speaks the contract.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type Page } from "playwright-core";
import { protocolVersion } from "../../src/shared/webviewConstants.ts";
import {
  type ActivityRow,
  type Answer,
  type Body,
  type DashboardState,
  type EntryRow,
  type QuestionName,
  questions,
  toHost,
  type ToHost,
  toPage,
  type ToPage,
} from "../../src/shared/webviewProtocol.ts";
import { dashboardHtml } from "../../src/vscode/html.ts";
import { launchBrowser } from "./vscode/browser.ts";
import { projectRoot } from "./vscode/paths.ts";
import { type ColorTheme } from "./vscode/workbench.ts";

const origin = "http://dashboard.test";

interface Theme {
  readonly kind: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** What VS Code itself puts into a page. */
const pageDefaults: Readonly<Record<string, string>> = {
  "--vscode-font-family": "system-ui, sans-serif",
  "--vscode-font-size": "13px",
  "--vscode-font-weight": "normal",
};

type Handlers = { readonly [N in QuestionName]?: (body: Body<N>) => Answer<N> | Promise<Answer<N>> };

export class DashboardPage {
  readonly page: Page;
  /** Every message of the page, parsed. */
  readonly received: ToHost[] = [];
  /** What the page and its console complained of. */
  readonly complaints: string[] = [];
  /** What a question is answered with; a question without one is refused. */
  handlers: Handlers = {};
  state: DashboardState;
  texts: Readonly<Record<string, string>> = {};
  language = "en";
  /** Folder of the browser. */
  readonly #profile: string;
  readonly #context: BrowserContext;
  readonly #waiting: {
    readonly wanted: (message: ToHost) => boolean;
    readonly done: (message: ToHost) => void;
  }[] = [];

  private constructor(profile: string, context: BrowserContext, page: Page, state: DashboardState) {
    this.#profile = profile;
    this.#context = context;
    this.page = page;
    this.state = state;
  }

  static async launch(state: DashboardState = emptyState): Promise<DashboardPage> {
    const profile = await mkdtemp(join(tmpdir(), "onecli-dashboard-"));
    const context = await launchBrowser(profile);
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(10_000);
    const dashboard = new DashboardPage(profile, context, page, state);
    await dashboard.#prepare();
    return dashboard;
  }

  /** Loads the page anew and waits until it shows the state. */
  async open(theme: ColorTheme = "Dark Modern"): Promise<void> {
    await this.#wear(theme);
    await this.page.goto(`${origin}/`);
    await this.page.locator("main").waitFor();
  }

  /** @throws ZodError where the message is not of the contract. */
  async send(message: ToPage): Promise<void> {
    await this.sendAnything(toPage.parse(message));
  }

  async sendAnything(message: unknown): Promise<void> {
    await this.page.evaluate(`window.postMessage(${JSON.stringify(message)}, "*")`);
  }

  /** The next message of the page that is wanted. */
  next(wanted: (message: ToHost) => boolean): Promise<ToHost> {
    return new Promise((done) => this.#waiting.push({ wanted, done }));
  }

  /** What the page asked, in this order. */
  asked<N extends QuestionName>(name: N): Body<N>[] {
    return this.received.flatMap((message) =>
      message.type === "ask" && message.name === name ? [message.body as Body<N>] : [],
    );
  }

  async close(): Promise<void> {
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    const files = new Map<string, [type: string, text: string]>();
    for (const [name, type] of [
      ["dashboard.js", "text/javascript"],
      ["dashboard.css", "text/css"],
    ] as const) {
      files.set(`/${name}`, [type, await readFile(join(projectRoot, "dist/webview", name), "utf8")]);
    }
    const html = dashboardHtml({
      script: `${origin}/dashboard.js`,
      style: `${origin}/dashboard.css`,
      cspSource: origin,
      nonce: "abc123",
      language: this.language,
    });
    files.set("/", ["text/html", html]);
    await this.page.route(`${origin}/**`, (route) => {
      const [contentType, body] = files.get(new URL(route.request().url()).pathname) ?? ["text/plain", ""];
      return route.fulfill({ contentType, body });
    });
    this.page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.complaints.push(message.text());
      }
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error)));
    await this.page.exposeFunction("postToHost", (message: unknown) => this.#receive(message));
    await this.page.addInitScript(`
      window.acquireVsCodeApi = () => ({
        postMessage: (message) => { window.postToHost(message); },
        getState: () => JSON.parse(sessionStorage.getItem("kept") ?? "null") ?? undefined,
        setState: (state) => sessionStorage.setItem("kept", JSON.stringify(state)),
      });`);
  }

  async #wear(theme: ColorTheme): Promise<void> {
    const themes = JSON.parse(
      await readFile(join(projectRoot, "test/fixtures/themes.json"), "utf8"),
    ) as Record<string, Theme>;
    const { kind, variables } = themes[theme]!;
    const all = JSON.stringify({ ...pageDefaults, ...variables });
    // By the object model, as VS Code does.
    await this.page.addInitScript(`
      document.addEventListener("DOMContentLoaded", () => {
        document.documentElement.removeAttribute("style");
        document.body.className = "";
        for (const [name, value] of Object.entries(${all})) {
          document.documentElement.style.setProperty(name, value);
        }
        document.body.dataset.vscodeThemeKind = ${JSON.stringify(kind)};
        document.body.classList.add(${JSON.stringify(kind)});
      });`);
  }

  async #receive(data: unknown): Promise<void> {
    const message = toHost.parse(data);
    this.received.push(message);
    for (const waiting of [...this.#waiting]) {
      if (waiting.wanted(message)) {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        waiting.done(message);
      }
    }
    if (message.type === "ready") {
      const { state, texts, language } = this;
      await this.send({ type: "snapshot", version: protocolVersion, language, texts, services, state });
    } else if (message.type === "ask") {
      const { id, name } = message;
      const body = questions[name].body.parse(message.body);
      const handler = this.handlers[name] as ((body: unknown) => unknown) | undefined;
      try {
        if (handler === undefined) {
          throw new Error(`Nobody answers ${name}.`);
        }
        await this.send({ type: "answer", id, result: await handler(body) });
      } catch (error) {
        await this.send({ type: "refusal", id, failure: { message: (error as Error).message } });
      }
    }
  }
}

const services = [
  {
    id: "anthropic",
    name: "Anthropic",
    hosts: ["api.anthropic.com"],
    sentAs: "x-api-key: {value}",
    needsUser: false,
  },
  {
    id: "openai",
    name: "OpenAI",
    hosts: ["api.openai.com"],
    sentAs: "Authorization: Bearer {value}",
    needsUser: false,
  },
  {
    id: "jira",
    name: "Jira",
    hosts: ["*.atlassian.net"],
    sentAs: "Authorization: Basic :{value}",
    needsUser: true,
  },
];

export const emptyState: DashboardState = {
  connection: { account: { kind: "none" }, gateway: "stopped", usage: { hour: 0, day: 0 } },
  entries: [],
  activity: [],
  traffic: [],
  doctor: { kind: "none" },
};

export function entryRow(host: string, more: Partial<EntryRow> = {}): EntryRow {
  return {
    source: "1password",
    id: host,
    hostname: host,
    path: "/",
    secret: "op://API Keys/Anthropic/credential",
    sentAs: "Authorization: Bearer {value}",
    enabled: true,
    state: { kind: "unused" },
    ...more,
  };
}

export function activityRow(seq: number, more: Partial<ActivityRow> = {}): ActivityRow {
  return {
    seq,
    at: Date.UTC(2026, 0, 1, 12) + seq * 100,
    kind: "request",
    agent: "onecli",
    method: "POST",
    host: "api.anthropic.com",
    path: "/v1/messages",
    status: 200,
    source: "1password",
    entry: "api.anthropic.com",
    secret: "op://API Keys/Anthropic/credential",
    cacheHit: true,
    headMs: 120,
    totalMs: 2_345,
    bytesUp: 1_024,
    bytesDown: 34_567,
    ...more,
  };
}

/** A window in the middle of its work. */
export function busyState(now: number): DashboardState {
  const minute = Math.floor(now / 60_000);
  const failure = {
    code: "reference-not-found",
    message: "No item matches the reference.",
    hint: "Correct the op:// reference of this host: vault, item and field must be named exactly as in 1Password.",
  };
  return {
    connection: {
      account: { kind: "present", name: "CI robot (example.1password.com)", vaults: 2 },
      gateway: "running",
      usage: { hour: 37, day: 412 },
    },
    entries: [
      entryRow("api.anthropic.com", {
        sentAs: "x-api-key: {value}",
        state: { kind: "ready", lastUse: now - 5_000 },
      }),
      entryRow("api.openai.com", {
        secret: "op://API Keys/OpenAI/api-key",
        state: { kind: "error", failure, lastUse: now - 60_000 },
      }),
      entryRow("api.github.com", {
        source: "stored",
        secret: "GitHub token of the team",
        state: { kind: "unused" },
      }),
      entryRow("a-very-long-host-name-of-a-tenant.with-many-labels.internal.example-company.com", {
        secret: "op://vault with a long name/item with an even longer name than that/section/field",
        rule: { kind: "header", name: "X-Company-Token", value: "Token token={value}" },
        sentAs: "X-Company-Token: Token token={value}",
        enabled: false,
        state: { kind: "disabled" },
      }),
    ],
    activity: Array.from({ length: 60 }, (_, seq) =>
      activityRow(seq, {
        at: now - (60 - seq) * 1_000,
        ...(seq % 7 === 3 && {
          host: "api.openai.com",
          path: "/v1/chat/completions",
          status: 424,
          failure,
          entry: "api.openai.com",
          secret: "op://API Keys/OpenAI/api-key",
          cacheHit: false,
        }),
        ...(seq % 5 === 4 && {
          kind: "tunnel" as const,
          method: "CONNECT",
          host: "registry.npmjs.org",
          path: "",
          source: undefined,
          entry: undefined,
          secret: undefined,
          cacheHit: undefined,
        }),
      }),
    ),
    traffic: Array.from({ length: 60 }, (_, index) => ({
      minute: minute - 59 + index,
      requests: Math.round(40 + 35 * Math.sin(index / 5)),
      errors: index % 11 === 0 ? 3 : 0,
      reads: index % 4 === 0 ? 1 : 0,
    })),
    doctor: {
      kind: "done",
      at: now - 600_000,
      report: {
        product: "OneCLI Doctor",
        version: "0.1.0",
        ok: false,
        problems: 1,
        environment: [{ name: "HTTPS_PROXY", cell: { state: "ok" } }],
        tools: [
          {
            name: "curl",
            program: "/usr/bin/curl",
            version: "8.5.0",
            cells: {
              proxy: { state: "ok" },
              ca: { state: "failed", cause: "CURL_CA_BUNDLE names another file.", fix: "Remove it." },
              header: { state: "none", reason: "not reached" },
              sse: { state: "none", reason: "not reached" },
              webSocket: { state: "none", reason: "not tried" },
              h2: { state: "ok", as: "ok (h2)" },
            },
          },
        ],
        notes: ["gh calls its vendor only."],
      },
    },
  };
}
