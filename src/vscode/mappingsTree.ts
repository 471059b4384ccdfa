import * as vscode from "vscode";
import { outcomeWords } from "../core/explanation.ts";
import { findOverride, type Override } from "../core/override.ts";
import { everyPath } from "../core/requestPath.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { describeRule } from "./commands/ruleInput.ts";
import { ageText } from "./explanationText.ts";
import type { Entry } from "./mappingStore.ts";
import type { Session, Team } from "./session.ts";
import type { EntryState } from "./states.ts";
import { isStoredEntry, type StoredEntry } from "./storedSecretStore.ts";

export const viewId = "onecli.mappings";

/** Changes that come close together are shown at once, in milliseconds. */
const debounce = 100;

/** Stored secrets and mappings have one each where there are stored secrets; mappings alone need none. */
interface Heading {
  readonly heading: "stored" | "mappings";
}

const storedHeading: Heading = { heading: "stored" };
const mappingsHeading: Heading = { heading: "mappings" };

export type Row = Heading | StoredEntry | Entry;

export class MappingsTree implements vscode.TreeDataProvider<Row>, vscode.Disposable {
  readonly #session: Session;
  readonly #view: vscode.TreeView<Row>;
  readonly #changed = new vscode.EventEmitter<Row[] | undefined>();
  readonly #subscription: vscode.Disposable;
  readonly onDidChangeTreeData = this.#changed.event;
  #timer: NodeJS.Timeout | undefined;
  /** The rows that are shown. */
  #rows: readonly Row[] = [];

  constructor(session: Session) {
    this.#session = session;
    this.#view = vscode.window.createTreeView(viewId, { treeDataProvider: this });
    this.#subscription = vscode.Disposable.from(
      session.onDidChange(() => {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#refresh();
        }, debounce);
      }),
      this.#view.onDidChangeVisibility(({ visible }) => session.showMappings(visible)),
    );
    session.showMappings(this.#view.visible);
    this.#refresh();
  }

  /** The rows that are selected in the view. */
  get selection(): readonly Row[] {
    return this.#view.selection;
  }

  getChildren(parent?: Row): Row[] {
    const { storedSecrets, entries } = this.#session;
    if (parent === undefined && storedSecrets.length > 0) {
      return entries.length > 0 ? [storedHeading, mappingsHeading] : [storedHeading];
    }
    if (parent === undefined || parent === mappingsHeading) {
      return [...entries];
    }
    return parent === storedHeading ? [...storedSecrets] : [];
  }

  getTreeItem(row: Row): vscode.TreeItem {
    if ("heading" in row) {
      return headingItem(row);
    }
    const state = this.#session.stateOf(row);
    const override = this.#overrideOf(row);
    const item = new vscode.TreeItem(row.id);
    const isStored = isStoredEntry(row);
    const secret = isStored ? `stored secret ${row.name}` : `secret ${secretName(row)}`;
    const note = override === undefined ? "" : `, ${overrideNote(override)}`;
    item.id = `${isStored ? "stored " : ""}${row.id}`;
    item.description = isStored
      ? row.name
      : override === undefined
        ? secretName(row)
        : overrideNote(override);
    item.iconPath = override?.all === true ? overriddenIcon : icons[state.kind];
    item.contextValue = `${isStored ? "stored" : "mapping"}${contexts[state.kind]}`;
    item.accessibilityInformation = { label: `${row.id}, ${secret}${note}, ${describe(state)}` };
    return item;
  }

  /** Asked for when the pointer rests on a row. */
  async resolveTreeItem(item: vscode.TreeItem, row: Row): Promise<vscode.TreeItem> {
    if ("heading" in row) {
      return item;
    }
    const state = this.#session.stateOf(row);
    const tooltip = new vscode.MarkdownString();
    // Names come from people, 1Password and imported files: they are text, whatever they look like.
    const line = (title: string, value: string) =>
      tooltip.appendMarkdown(`**${title}** `).appendText(value).appendMarkdown("\n\n");
    line("Host", row.hostname);
    if (row.path !== everyPath) {
      line("Path", row.path);
    }
    if (isStoredEntry(row)) {
      line("Stored secret", row.name);
      const overridden = this.#session.entries.filter(
        (mapping) => mapping.enabled && findOverride(mapping, [row]) !== undefined,
      );
      if (overridden.length > 0) {
        line("Wins over", `the mapping of ${overridden.map(({ id }) => id).join(", ")}`);
      }
    } else {
      line("Secret", row.stored.names ?? formatSecretReference(row.reference));
      const override = this.#overrideOf(row);
      if (override !== undefined) {
        line(
          override.all ? "Overridden" : "Partly overridden",
          `by the stored secret ${override.by.name} (${override.by.id}); ${outcomeWords["stored-wins"].reason ?? ""}`,
        );
      }
    }
    line("Sent as", describeRule(row, row.rule));
    line("State", describe(state));
    if (state.kind === "error") {
      line("Reason", `${state.reason} (${state.code})`);
    }
    if ((state.kind === "ready" || state.kind === "error") && state.lastUse !== undefined) {
      line("Last use", new Date(state.lastUse).toLocaleTimeString());
    }
    if (!isStoredEntry(row) && this.#session.team === undefined) {
      line("Cached value", ageText(await this.#session.cacheAge(row).catch(() => undefined)));
    }
    item.tooltip = tooltip;
    return item;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#subscription.dispose();
    this.#view.dispose();
    this.#changed.dispose();
  }

  #overrideOf(row: Entry | StoredEntry): Override<StoredEntry> | undefined {
    return isStoredEntry(row) || !row.enabled ? undefined : findOverride(row, this.#session.storedSecrets);
  }

  #refresh(): void {
    const { account, entries, storedSecrets, team } = this.#session;
    const errors = [...storedSecrets, ...entries].filter(
      (entry) => this.#session.stateOf(entry).kind === "error",
    ).length;
    this.#view.badge =
      errors === 0
        ? undefined
        : { value: errors, tooltip: errors === 1 ? "1 secret fails" : `${errors} secrets fail` };
    const hosts = storedSecrets.length > 0 ? "the hosts of mappings" : "these hosts";
    const notConnected =
      account.kind === "none" && entries.length > 0
        ? `1Password is not connected: no secret is sent to ${hosts}.`
        : "";
    this.#view.message = team === undefined ? notConnected : teamMessage(team, notConnected);
    this.#showRows([...storedSecrets, ...entries]);
  }

  /** Where the rows are the same they are redrawn one by one: while all are taken anew, a click on one misses it. */
  #showRows(rows: readonly Row[]): void {
    const isSame = rows.length === this.#rows.length && rows.every((row, index) => row === this.#rows[index]);
    this.#rows = rows;
    this.#changed.fire(isSame ? [...rows] : undefined);
  }
}

function teamMessage({ host, problem }: Team, notConnected: string): string {
  const whose = `The team gateway ${host} is used; mappings and stored secrets of this workspace are left alone.`;
  return [problem ?? notConnected, whose].filter((text) => text !== "").join(" ");
}

function headingItem({ heading }: Heading): vscode.TreeItem {
  const isStored = heading === "stored";
  const item = new vscode.TreeItem(
    isStored ? "Stored Secrets" : "Mappings to 1Password",
    vscode.TreeItemCollapsibleState.Expanded,
  );
  item.id = `heading ${heading}`;
  item.contextValue = `heading:${heading}`;
  if (isStored) {
    item.description = "win over mappings";
    item.tooltip =
      "Kept sealed in this editor. Where a stored secret and a mapping are for the same request, the stored secret is sent.";
  }
  return item;
}

function overrideNote({ by, all }: Override<StoredEntry>): string {
  return `${all ? "overridden" : "partly overridden"} by ${by.name}`;
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

/** Whatever its state was: it is not used. */
const overriddenIcon = new vscode.ThemeIcon("layers", new vscode.ThemeColor("disabledForeground"));

/** What `when` clauses of the row's menus ask for, behind the kind of the row. */
const contexts: Readonly<Record<EntryState["kind"], string>> = {
  ready: "",
  unused: "",
  error: ":error",
  disabled: ":disabled",
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
