// The dashboard: one panel, whose page shows what the host tells it. While it is hidden there is no page.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { protocolVersion } from "../shared/webviewConstants.ts";
import type { QuestionName, ToPage } from "../shared/webviewProtocol.ts";
import { DashboardAnswers } from "./dashboardAnswers.ts";
import { DashboardFeed } from "./dashboardFeed.ts";
import { failureOf } from "./dashboardRows.ts";
import { Disposables } from "./disposables.ts";
import type { Doctor } from "./doctor.ts";
import { dashboardHtml } from "./html.ts";
import type { Session } from "./session.ts";

/** Loaded with the first panel. */
const contract = () => import("../shared/webviewProtocol.ts");
type Contract = Awaited<ReturnType<typeof contract>>;

export const dashboardType = "onecli.dashboard";

export interface DashboardParts {
  readonly session: Session;
  readonly doctor: Doctor;
  readonly logger: vscode.LogOutputChannel;
  readonly extensionUri: vscode.Uri;
}

export class Dashboard implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #parts: DashboardParts;
  readonly #feed: DashboardFeed;
  readonly #answers: DashboardAnswers;
  readonly #disposables = new Disposables();
  #panel: vscode.WebviewPanel | undefined;
  #account: Session["account"];

  constructor(parts: DashboardParts) {
    const { session } = parts;
    this.#parts = parts;
    this.#account = session.account;
    this.#feed = this.#disposables.add(new DashboardFeed(parts));
    this.#answers = new DashboardAnswers(session, this.#feed);
    this.#disposables.add(
      session.onDidChange(() => {
        if (session.account !== this.#account) {
          this.#account = session.account;
          this.#answers.accountChanged();
        }
      }),
    );
    this.#disposables.add(vscode.window.registerWebviewPanelSerializer(dashboardType, this));
    const { tabGroups } = vscode.window;
    this.#disposables.add(tabGroups.onDidChangeTabs(() => this.#closeStrays()));
    this.#disposables.add(tabGroups.onDidChangeTabGroups(() => this.#closeStrays()));
  }

  /** Shows the panel; there is never a second one. */
  open(): void {
    if (this.#panel !== undefined) {
      this.#panel.reveal(this.#panel.viewColumn);
      return;
    }
    this.#adopt(
      vscode.window.createWebviewPanel(
        dashboardType,
        vscode.l10n.t("OneCLI Dashboard"),
        vscode.ViewColumn.Active,
      ),
    );
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    if (this.#panel === undefined) {
      this.#adopt(panel);
    } else {
      panel.dispose();
      this.#panel.reveal(this.#panel.viewColumn);
    }
    return Promise.resolve();
  }

  dispose(): void {
    this.#disposables.dispose();
    this.#panel?.dispose();
  }

  /**
   * The tab of an earlier session, in the background, has no panel before it is looked at, and right after a reload a window
   * does not know all of its tabs: the panel may have been opened beside it. Which tab is the panel's is known when one of
   * them is active, which it is not yet as it opens.
   */
  #closeStrays(): void {
    const { tabGroups } = vscode.window;
    const tabs = tabGroups.all.flatMap((group) => group.tabs).filter(isDashboard);
    const strays = tabs.filter(({ isActive }) => !isActive);
    if (this.#panel?.visible === true && strays.length > 0 && strays.length < tabs.length) {
      void tabGroups.close(strays);
    }
  }

  #adopt(panel: vscode.WebviewPanel): void {
    const { extensionUri } = this.#parts;
    const files = vscode.Uri.joinPath(extensionUri, "dist", "webview");
    const { webview } = panel;
    this.#panel = panel;
    // The icon of a tab is a picture: it has no colour to take over.
    panel.iconPath = {
      light: vscode.Uri.joinPath(extensionUri, "media", "dashboard-light.svg"),
      dark: vscode.Uri.joinPath(extensionUri, "media", "dashboard-dark.svg"),
    };
    webview.options = { enableScripts: true, localResourceRoots: [files] };
    const uri = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(files, name)).toString();
    const loaded = contract();
    webview.onDidReceiveMessage(async (data: unknown) => this.#receive(data, await loaded));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) {
        this.#feed.stop();
      }
    });
    panel.onDidDispose(() => {
      if (this.#panel === panel) {
        this.#panel = undefined;
        this.#feed.stop();
      }
    });
    webview.html = dashboardHtml({
      script: uri("dashboard.js"),
      style: uri("dashboard.css"),
      cspSource: webview.cspSource,
      nonce: randomBytes(16).toString("base64url"),
      language: vscode.env.language,
    });
  }

  #receive(data: unknown, { toHost, questions }: Contract): void {
    const message = toHost.safeParse(data);
    if (!message.success) {
      this.#parts.logger.warn("The dashboard sent a message that is not of the protocol; it was dropped.");
      return;
    }
    switch (message.data.type) {
      case "ready":
        this.#ready(message.data.version);
        break;
      case "run":
        void vscode.commands.executeCommand(message.data.command);
        break;
      case "ask":
        void this.#answer(message.data.id, message.data.name, message.data.body, questions);
        break;
    }
  }

  #ready(version: number): void {
    if (version !== protocolVersion) {
      this.#parts.logger.warn(`The dashboard's page speaks version ${version} of the protocol.`);
    }
    this.#feed.start((message) => this.#send(message));
  }

  async #answer(
    id: number,
    name: QuestionName,
    body: unknown,
    questions: Contract["questions"],
  ): Promise<void> {
    try {
      const parsed = questions[name].body.safeParse(body);
      if (!parsed.success) {
        this.#parts.logger.warn(`The dashboard asked "${name}" in a form that is not of the protocol.`);
        throw new Error(vscode.l10n.t("This is not valid."));
      }
      const answer = this.#answers.all[name] as (body: unknown) => Promise<unknown>;
      const result = await answer(parsed.data);
      // What the answer is about is there before it.
      this.#feed.flush();
      this.#send({ type: "answer", id, result });
    } catch (error) {
      this.#feed.flush();
      this.#send({ type: "refusal", id, failure: failureOf(error) });
    }
  }

  #send(message: ToPage): void {
    void this.#panel?.webview.postMessage(message);
  }
}

function isDashboard({ input }: vscode.Tab): boolean {
  // VS Code puts a prefix of its own before the type.
  return input instanceof vscode.TabInputWebview && input.viewType.endsWith(dashboardType);
}
