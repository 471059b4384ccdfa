import * as vscode from "vscode";
import { outcomeWords } from "../core/explanation.ts";
import { findOverride, type Override } from "../core/override.ts";
import { everyPath } from "../core/requestPath.ts";
import { formatSecretReference } from "../core/secretReference.ts";
import { describeRule } from "./commands/ruleInput.ts";
import { ageText } from "./explanationText.ts";
import { coreText, inWords } from "./l10n.ts";
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
      this.#view.onDidChangeVisibility(({ visible }) => session.showMappings(this, visible)),
    );
    session.showMappings(this, this.#view.visible);
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
    const secret = isStored
      ? vscode.l10n.t("stored secret {0}", row.name)
      : vscode.l10n.t("secret {0}", secretName(row));
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
    line(vscode.l10n.t("Host"), row.hostname);
    if (row.path !== everyPath) {
      line(vscode.l10n.t("Path"), row.path);
    }
    if (isStoredEntry(row)) {
      line(vscode.l10n.t("Stored secret"), row.name);
      const overridden = this.#session.entries.filter(
        (mapping) => mapping.enabled && findOverride(mapping, [row]) !== undefined,
      );
      if (overridden.length > 0) {
        line(
          vscode.l10n.t("Wins over"),
          vscode.l10n.t("the mapping of {0}", overridden.map(({ id }) => id).join(", ")),
        );
      }
    } else {
      line(vscode.l10n.t("Secret"), row.stored.names ?? formatSecretReference(row.reference));
      const override = this.#overrideOf(row);
      if (override !== undefined) {
        line(
          override.all ? vscode.l10n.t("Overridden") : vscode.l10n.t("Partly overridden"),
          vscode.l10n.t(
            "by the stored secret {0} ({1}); {2}",
            override.by.name,
            override.by.id,
            coreText(outcomeWords["stored-wins"].reason ?? ""),
          ),
        );
      }
    }
    line(vscode.l10n.t("Sent as"), describeRule(row, row.rule));
    line(vscode.l10n.t("State"), describe(state));
    if (state.kind === "error") {
      line(vscode.l10n.t("Reason"), `${coreText(state.reason)} (${state.code})`);
    }
    if ((state.kind === "ready" || state.kind === "error") && state.lastUse !== undefined) {
      line(vscode.l10n.t("Last use"), new Date(state.lastUse).toLocaleTimeString());
    }
    if (!isStoredEntry(row) && this.#session.team === undefined) {
      line(
        vscode.l10n.t("Cached value"),
        inWords(ageText(await this.#session.cacheAge(row).catch(() => undefined))),
      );
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
        : {
            value: errors,
            tooltip:
              errors === 1 ? vscode.l10n.t("1 secret fails") : vscode.l10n.t("{0} secrets fail", errors),
          };
    const notConnected =
      account.kind === "none" && entries.length > 0
        ? storedSecrets.length > 0
          ? vscode.l10n.t("1Password is not connected: no secret is sent to the hosts of mappings.")
          : vscode.l10n.t("1Password is not connected: no secret is sent to these hosts.")
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
  const whose = vscode.l10n.t(
    "The team gateway {0} is used; mappings and stored secrets of this workspace are left alone.",
    host,
  );
  return [problem ?? notConnected, whose].filter((text) => text !== "").join(" ");
}

function headingItem({ heading }: Heading): vscode.TreeItem {
  const isStored = heading === "stored";
  const item = new vscode.TreeItem(
    isStored ? vscode.l10n.t("Stored Secrets") : vscode.l10n.t("Mappings to 1Password"),
    vscode.TreeItemCollapsibleState.Expanded,
  );
  item.id = `heading ${heading}`;
  item.contextValue = `heading:${heading}`;
  if (isStored) {
    item.description = vscode.l10n.t("win over mappings");
    item.tooltip = vscode.l10n.t(
      "Kept sealed in this editor. Where a stored secret and a mapping are for the same request, the stored secret is sent.",
    );
  }
  return item;
}

function overrideNote({ by, all }: Override<StoredEntry>): string {
  return all
    ? vscode.l10n.t("overridden by {0}", by.name)
    : vscode.l10n.t("partly overridden by {0}", by.name);
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
      return vscode.l10n.t("ready");
    case "unused":
      return vscode.l10n.t("not used yet");
    case "error":
      return vscode.l10n.t("fails");
    case "disabled":
      return vscode.l10n.t("disabled");
  }
}
