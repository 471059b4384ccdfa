import * as vscode from "vscode";
import { everyPath } from "../core/requestPath.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { describeRule } from "./commands/ruleInput.ts";
import type { Entry } from "./mappingStore.ts";
import type { EntryState, Session } from "./session.ts";

export const viewId = "onecli.mappings";

/** Changes that come close together are shown at once, in milliseconds. */
const debounce = 100;

export class MappingsTree implements vscode.TreeDataProvider<Entry>, vscode.Disposable {
  readonly #session: Session;
  readonly #view: vscode.TreeView<Entry>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscription: vscode.Disposable;
  readonly onDidChangeTreeData = this.#changed.event;
  #timer: NodeJS.Timeout | undefined;

  constructor(session: Session) {
    this.#session = session;
    this.#view = vscode.window.createTreeView(viewId, { treeDataProvider: this });
    this.#subscription = session.onDidChange(() => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#refresh();
      }, debounce);
    });
    this.#refresh();
  }

  /** The rows that are selected in the view. */
  get selection(): readonly Entry[] {
    return this.#view.selection;
  }

  getChildren(parent?: Entry): Entry[] {
    return parent === undefined ? [...this.#session.entries] : [];
  }

  getTreeItem(entry: Entry): vscode.TreeItem {
    const state = this.#session.stateOf(entry);
    const name = secretName(entry);
    const item = new vscode.TreeItem(entry.id);
    item.id = entry.id;
    item.description = name;
    item.iconPath = icons[state.kind];
    item.contextValue = contexts[state.kind];
    item.accessibilityInformation = { label: `${entry.id}, secret ${name}, ${describe(state)}` };
    return item;
  }

  /** Asked for when the pointer rests on a row. */
  async resolveTreeItem(item: vscode.TreeItem, entry: Entry): Promise<vscode.TreeItem> {
    const state = this.#session.stateOf(entry);
    const age = await this.#session.cacheAge(entry).catch(() => undefined);
    const tooltip = new vscode.MarkdownString();
    // Names come from 1Password and from imported files: they are text, whatever they look like.
    const line = (title: string, value: string) =>
      tooltip.appendMarkdown(`**${title}** `).appendText(value).appendMarkdown("\n\n");
    line("Host", entry.hostname);
    if (entry.path !== everyPath) {
      line("Path", entry.path);
    }
    line("Secret", entry.stored.names ?? formatSecretReference(entry.reference));
    line("Sent as", describeRule(entry, entry.rule));
    line("State", describe(state));
    if (state.kind === "error") {
      line("Reason", `${state.reason} (${state.code})`);
    }
    if ((state.kind === "ready" || state.kind === "error") && state.lastUse !== undefined) {
      line("Last use", new Date(state.lastUse).toLocaleTimeString());
    }
    line("Cached value", age === undefined ? "none" : `read ${Math.round(age / 1000)} seconds ago`);
    item.tooltip = tooltip;
    return item;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#subscription.dispose();
    this.#view.dispose();
    this.#changed.dispose();
  }

  #refresh(): void {
    const errors = this.#session.entries.filter(
      (entry) => this.#session.stateOf(entry).kind === "error",
    ).length;
    this.#view.badge =
      errors === 0
        ? undefined
        : { value: errors, tooltip: errors === 1 ? "1 mapping fails" : `${errors} mappings fail` };
    this.#view.message =
      this.#session.account.kind === "none" && this.#session.entries.length > 0
        ? "1Password is not connected: no secret is sent to these hosts."
        : "";
    this.#changed.fire();
  }
}

/** `vault/item`, as short as a row wants it. */
export function secretName(entry: Entry): string {
  const [vault = "", item = ""] = (entry.stored.names ?? "").split("/");
  return entry.stored.names === undefined
    ? `${entry.reference.vault}/${entry.reference.item}`
    : `${vault}/${item}`;
}

const icons: Readonly<Record<EntryState["kind"], vscode.ThemeIcon>> = {
  ready: new vscode.ThemeIcon("pass", new vscode.ThemeColor("testing.iconPassed")),
  unused: new vscode.ThemeIcon("circle-outline"),
  error: new vscode.ThemeIcon("error", new vscode.ThemeColor("list.errorForeground")),
  disabled: new vscode.ThemeIcon("circle-slash", new vscode.ThemeColor("disabledForeground")),
};

/** What `when` clauses of the row's menus ask for. */
const contexts: Readonly<Record<EntryState["kind"], string>> = {
  ready: "mapping",
  unused: "mapping",
  error: "mapping:error",
  disabled: "mapping:disabled",
};

function describe(state: EntryState): string {
  switch (state.kind) {
    case "ready":
      return "ready";
    case "unused":
      return "not used yet";
    case "error":
      return "fails";
    case "disabled":
      return "disabled";
  }
}
