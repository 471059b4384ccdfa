// The dashboard: one panel, whose page shows what the host tells it. While it is hidden there is no page, and nothing is
// computed for it.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import {
  type Patch,
  protocolVersion,
  type QuestionName,
  questions,
  type Snapshot,
  toHost,
  type ToPage,
} from "../shared/webviewProtocol.ts";
import { ActivityLog } from "./activityLog.ts";
import { DashboardAnswers } from "./dashboardAnswers.ts";
import {
  activityRow,
  connectionOf,
  entryRow,
  entryState,
  failureOf,
  keyOf,
  serviceRows,
} from "./dashboardRows.ts";
import { Disposables } from "./disposables.ts";
import type { Doctor } from "./doctor.ts";
import { dashboardHtml } from "./html.ts";
import type { Entry } from "./mappingStore.ts";
import type { MappingState, Session } from "./session.ts";

export const dashboardType = "onecli.dashboard";

/** Changes are sent at most so often, in milliseconds. */
const batchInterval = 100;

export interface DashboardParts {
  readonly session: Session;
  readonly doctor: Doctor;
  readonly logger: vscode.LogOutputChannel;
  readonly extensionUri: vscode.Uri;
}

/** What the page was told last, to tell what has changed since. */
interface Told {
  entries: readonly Entry[];
  readonly states: Map<Entry, MappingState>;
  seq: number;
  minute: number;
  counted: string;
  connection: string;
  doctor: unknown;
}

export class Dashboard implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #parts: DashboardParts;
  readonly #log = new ActivityLog<Entry>();
  readonly #answers: DashboardAnswers;
  readonly #disposables = new Disposables();
  #panel: vscode.WebviewPanel | undefined;
  /** Absent while there is no page that listens. */
  #told: Told | undefined;
  #timer: NodeJS.Timeout | undefined;
  #account: Session["account"];
  /** Messages to pages so far. */
  sent = 0;

  constructor(parts: DashboardParts) {
    const { session, doctor } = parts;
    this.#parts = parts;
    this.#account = session.account;
    this.#answers = new DashboardAnswers({
      session,
      log: this.#log,
      onCleared: () => {
        this.#flush();
        this.#send({ type: "patch", cleared: true });
      },
    });
    this.#disposables.add(
      session.onNews(({ records, accountRequests }) => {
        this.#log.add(records, ({ source, mapping }) =>
          source === "1password" && mapping !== undefined ? session.findMapping(mapping) : undefined,
        );
        this.#log.traffic.add(Date.now(), "reads", accountRequests);
        this.#schedule();
      }),
    );
    this.#disposables.add(
      session.onDidChange(() => {
        if (session.account !== this.#account) {
          this.#account = session.account;
          this.#answers.accountChanged();
        }
        this.#schedule();
      }),
    );
    this.#disposables.add(doctor.onDidChange(() => this.#schedule()));
    this.#disposables.add(vscode.window.registerWebviewPanelSerializer(dashboardType, this));
  }

  /** Shows the panel; there is never a second one. */
  async open(): Promise<void> {
    if (this.#panel !== undefined) {
      this.#panel.reveal();
      return;
    }
    // The tab of an earlier session, in the background, has no panel before it is looked at.
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter(isDashboard);
    if (tabs.length > 0) {
      await vscode.window.tabGroups.close(tabs);
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
      this.#panel.reveal();
    }
    return Promise.resolve();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#disposables.dispose();
    this.#panel?.dispose();
  }

  #adopt(panel: vscode.WebviewPanel): void {
    const { extensionUri } = this.#parts;
    const files = vscode.Uri.joinPath(extensionUri, "dist", "webview");
    const { webview } = panel;
    this.#panel = panel;
    panel.iconPath = vscode.Uri.joinPath(extensionUri, "media", "onecli.svg");
    webview.options = { enableScripts: true, localResourceRoots: [files] };
    const uri = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(files, name)).toString();
    webview.onDidReceiveMessage((data: unknown) => this.#receive(data));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) {
        this.#told = undefined;
      }
    });
    panel.onDidDispose(() => {
      if (this.#panel === panel) {
        this.#panel = undefined;
        this.#told = undefined;
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

  #receive(data: unknown): void {
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
        void this.#answer(message.data.id, message.data.name, message.data.body);
        break;
    }
  }

  #ready(version: number): void {
    if (version !== protocolVersion) {
      this.#parts.logger.warn(`The dashboard's page speaks version ${version} of the protocol.`);
    }
    const now = Date.now();
    const { session, doctor } = this.#parts;
    const { traffic } = this.#log;
    const connection = connectionOf(session, traffic);
    const { entries } = session;
    const states = new Map(entries.map((entry) => [entry, session.stateOf(entry)] as const));
    const minutes = traffic.minutes(now);
    const snapshot: Snapshot = {
      type: "snapshot",
      version: protocolVersion,
      language: vscode.env.language,
      texts: vscode.l10n.bundle ?? {},
      services: serviceRows(),
      state: {
        connection,
        entries: [...states].map(([entry, state]) => entryRow(entry, state)),
        activity: this.#log.since(0).map(activityRow),
        traffic: minutes,
        doctor: doctor.state,
      },
    };
    this.#told = {
      entries,
      states,
      seq: this.#log.next,
      minute: minutes.at(-1)?.minute ?? 0,
      counted: JSON.stringify(minutes.at(-1)),
      connection: JSON.stringify(connection),
      doctor: doctor.state,
    };
    this.#send(snapshot);
  }

  async #answer(id: number, name: QuestionName, body: unknown): Promise<void> {
    try {
      const parsed = questions[name].body.safeParse(body);
      if (!parsed.success) {
        this.#parts.logger.warn(`The dashboard asked "${name}" in a form that is not of the protocol.`);
        throw new Error(vscode.l10n.t("This is not valid."));
      }
      const answer = this.#answers.all[name] as (body: unknown) => Promise<unknown>;
      const result = await answer(parsed.data);
      // What the answer is about is there before it.
      this.#flush();
      this.#send({ type: "answer", id, result });
    } catch (error) {
      this.#flush();
      this.#send({ type: "refusal", id, failure: failureOf(error) });
    }
  }

  #schedule(): void {
    if (this.#told !== undefined && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#flush(), batchInterval);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#told !== undefined) {
      const patch = this.#changes(this.#told);
      if (Object.keys(patch).length > 0) {
        this.#send({ type: "patch", ...patch });
      }
    }
  }

  #changes(told: Told): Omit<Patch, "type"> {
    const { session, doctor } = this.#parts;
    const { traffic } = this.#log;
    const patch: Omit<Patch, "type"> = {};
    const connection = connectionOf(session, traffic);
    const asText = JSON.stringify(connection);
    if (asText !== told.connection) {
      told.connection = asText;
      patch.connection = connection;
    }
    const { entries } = session;
    if (entries !== told.entries) {
      told.entries = entries;
      told.states.clear();
      patch.entries = entries.map((entry) => {
        const state = session.stateOf(entry);
        told.states.set(entry, state);
        return entryRow(entry, state);
      });
    } else {
      const states: NonNullable<Patch["states"]> = [];
      for (const entry of entries) {
        const state = session.stateOf(entry);
        const former = told.states.get(entry);
        if (
          state !== former &&
          (state.kind !== former?.kind || state.kind === "ready" || state.kind === "error")
        ) {
          told.states.set(entry, state);
          states.push({ ...keyOf(entry), state: entryState(state) });
        }
      }
      if (states.length > 0) {
        patch.states = states;
      }
    }
    const records = this.#log.since(told.seq);
    told.seq = this.#log.next;
    if (records.length > 0) {
      patch.activity = records.map(activityRow);
    }
    const minutes = traffic.minutes(Date.now());
    const counted = JSON.stringify(minutes.at(-1));
    if (counted !== told.counted) {
      patch.traffic = minutes.filter(({ minute }) => minute >= told.minute - 1);
      told.minute = minutes.at(-1)?.minute ?? 0;
      told.counted = counted;
    }
    if (doctor.state !== told.doctor) {
      told.doctor = doctor.state;
      patch.doctor = doctor.state;
    }
    return patch;
  }

  #send(message: ToPage): void {
    if (this.#panel?.visible === true && this.#told !== undefined) {
      this.sent++;
      void this.#panel.webview.postMessage(message);
    }
  }
}

function isDashboard({ input }: vscode.Tab): boolean {
  // VS Code puts a prefix of its own before the type.
  return input instanceof vscode.TabInputWebview && input.viewType.endsWith(dashboardType);
}
