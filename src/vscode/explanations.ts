import * as vscode from "vscode";
import type { ExplainResult } from "../shared/gatewayProtocol.ts";
import { explanationText } from "./explanationText.ts";
import { inWords } from "./l10n.ts";
import { explain } from "./errorText.ts";
import type { Session } from "./session.ts";

const scheme = "onecli-explanation";

/** A request to be explained; `host` with its port where that is not 443. */
export interface ExplainedRequest {
  readonly host: string;
  readonly path: string;
  readonly isPlain: boolean;
}

/** Read-only pages that say which secret a request would get, and stay true while they are open. */
export class Explanations implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #session: Session;
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #disposables: vscode.Disposable;
  /** By host. A path may hold a secret: it must not be part of an address, which VS Code writes down. */
  readonly #requests = new Map<string, ExplainedRequest>();
  readonly onDidChange = this.#changed.event;

  constructor(session: Session) {
    this.#session = session;
    this.#disposables = vscode.Disposable.from(
      this.#changed,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
      session.onDidChange(() => this.#refresh()),
    );
  }

  async show(request: ExplainedRequest): Promise<void> {
    this.#requests.set(request.host, request);
    const uri = vscode.Uri.from({
      scheme,
      path: `/${vscode.l10n.t("Explain {0}", request.host)}`,
      query: request.host,
    });
    this.#changed.fire(uri);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const host = uri.query;
    const { path, isPlain } = this.#requests.get(host) ?? { path: "/", isPlain: false };
    try {
      const explanation = await this.#session.explainRequest(host, path);
      // References made of ids say nothing to a person.
      const candidates = explanation.candidates.map((candidate) => ({
        ...candidate,
        label: this.#namesOf(candidate) ?? candidate.label,
      }));
      const circumstances = { isPlain, isConnected: this.#session.account.kind === "present" };
      return explanationText({ ...explanation, candidates }, circumstances, inWords);
    } catch (error) {
      return `${vscode.l10n.t("{0} cannot be explained. {1}", host, explain(error))}\n`;
    }
  }

  dispose(): void {
    this.#disposables.dispose();
  }

  #namesOf({ source, id }: ExplainResult["candidates"][number]): string | undefined {
    return source === "stored"
      ? undefined
      : this.#session.entries.find((entry) => entry.id === id)?.stored.names;
  }

  #refresh(): void {
    if (this.#session.gateway.kind !== "running") {
      // To ask would start it, against whoever stops it or waits before the next attempt.
      return;
    }
    for (const { uri } of vscode.workspace.textDocuments) {
      if (uri.scheme === scheme) {
        this.#changed.fire(uri);
      }
    }
  }
}
