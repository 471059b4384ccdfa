// Mappings and stored secrets: which host gets which secret, and how it fares.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { EntryKey, EntryRow, Failure, ServiceRow } from "../../src/shared/webviewProtocol.ts";
import "./entryEditor.ts";
import { type Column, countText, type Grid, matches, nextSort, type Sort, sortBy } from "./grid.ts";
import { failureOf, type Host } from "./host.ts";
import { icon, type IconName } from "./icons.ts";
import { formatDuration, formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";
import { keyOf, keyText } from "./state.ts";

type Test =
  | { readonly kind: "running" }
  | { readonly kind: "passed"; readonly ms: number }
  | { readonly kind: "failed"; readonly failure: Failure };

interface Undo {
  readonly token: number;
  readonly removed: number;
}

const filters = ["all", "error", "disabled", "unused"] as const;
type Filter = (typeof filters)[number];

class Secrets extends Light {
  static override properties = {
    host: { attribute: false },
    entries: { attribute: false },
    services: { attribute: false },
    hasAccount: { attribute: false },
    isTeams: { attribute: false },
  };
  declare host: Host;
  declare entries: readonly EntryRow[];
  declare services: readonly ServiceRow[];
  declare hasAccount: boolean;
  /** The mappings are those of a team's gateway. */
  declare isTeams: boolean;
  #text = "";
  #filter: Filter = "all";
  #sort: Sort | undefined;
  #selected: ReadonlySet<string> = new Set();
  /** Key of the row that is being changed; "" for one that is to be added. */
  #editing: string | undefined;
  /** Where each row is while one is being changed: it does not go away because another was used. */
  #places: ReadonlyMap<string, number> | undefined;
  readonly #tests = new Map<string, Test>();
  #undo: Undo | undefined;
  #failure: Failure | undefined;
  #rows: readonly EntryRow[] = [];

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("entries")) {
      const keys = new Set(this.entries.map(keyText));
      const selected = [...this.#selected].filter((key) => keys.has(key));
      if (selected.length !== this.#selected.size) {
        this.#selected = new Set(selected);
      }
      for (const key of this.#tests.keys()) {
        if (!keys.has(key)) {
          this.#tests.delete(key);
        }
      }
      if (this.#editing !== undefined && this.#editing !== "" && !keys.has(this.#editing)) {
        this.#editing = undefined;
      }
    }
    this.#rows = this.#visible();
    this.#places =
      this.#editing === undefined
        ? undefined
        : (this.#places ?? new Map(this.#rows.map((row, index) => [keyText(row), index])));
  }

  protected override render(): TemplateResult {
    const rows = this.#rows;
    return html`<section class="card" aria-labelledby="secrets-title">
      <div class="toolbar">
        <h2 id="secrets-title">${t("Secrets")}</h2>
        <input
          class="input filter"
          type="text"
          spellcheck="false"
          aria-label=${t("Filter secrets")}
          placeholder=${t("Filter")}
          .value=${this.#text}
          @input=${(event: Event) => {
            this.#text = (event.target as HTMLInputElement).value;
            this.#arrange();
          }}
        />
        <select
          class="input"
          aria-label=${t("Show")}
          @change=${(event: Event) => {
            this.#filter = (event.target as HTMLSelectElement).value as Filter;
            this.#arrange();
          }}
        >
          ${filters.map(
            (one) =>
              html`<option value=${one} ?selected=${one === this.#filter}>${filterTitles()[one]}</option>`,
          )}
        </select>
        <span class="dim count" role="status">${countText(rows.length, this.entries.length)}</span>
        <div class="actions">
          <vscode-button secondary @click=${() => this.host.run("onecli.mapping.import")}
            >${t("Import…")}</vscode-button
          >
          ${
            this.isTeams
              ? nothing
              : html`<vscode-button secondary @click=${() => this.host.run("onecli.storedSecret.add")}
                  >${t("Add Stored Secret…")}</vscode-button
                >`
          }
          <vscode-button @click=${() => this.#edit("")}>${t("Add Mapping")}</vscode-button>
        </div>
      </div>
      ${this.#selected.size > 0 ? this.#bulk() : nothing} ${this.#messages()}
      <onecli-grid
        class="secrets-grid"
        .label=${t("Mappings and stored secrets")}
        .columns=${this.#columns()}
        .rows=${rows}
        .keyOf=${keyText}
        .sort=${this.#sort}
        .selected=${this.#selected}
        .detail=${this.#detail()}
        .empty=${this.#empty()}
        .onSort=${(column: string) => {
          this.#sort = nextSort(this.#sort, column);
          this.#arrange();
        }}
        .onActivate=${(row: EntryRow) => this.#edit(keyText(row))}
        .onKey=${(row: EntryRow, key: string) => this.#key(row, key)}
      ></onecli-grid>
    </section>`;
  }

  #columns(): readonly Column<EntryRow>[] {
    return [
      {
        id: "select",
        label: t("Selected"),
        hidden: true,
        grow: 0,
        width: 32,
        rank: 2,
        cell: (row, isActive) =>
          html`<input
            type="checkbox"
            aria-label=${t("Select {0}", row.id)}
            tabindex=${isActive ? "0" : "-1"}
            .checked=${this.#selected.has(keyText(row))}
            @change=${() => this.#toggle(keyText(row))}
          />`,
      },
      {
        id: "host",
        label: t("Host"),
        grow: 2,
        width: 110,
        rank: 0,
        sortable: true,
        cell: (row) => cut(row.id),
      },
      {
        id: "state",
        label: t("State"),
        grow: 2,
        width: 96,
        rank: 1,
        sortable: true,
        cell: (row) => this.#state(row),
      },
      {
        id: "secret",
        label: t("Secret"),
        grow: 3,
        width: 150,
        rank: 4,
        sortable: true,
        cell: (row) =>
          html`${row.source === "stored" ? html`<vscode-badge>${t("stored")}</vscode-badge> ` : nothing}${cut(
            row.names ?? row.secret,
          )}`,
      },
      {
        id: "sent",
        label: t("Sent as"),
        grow: 2,
        width: 150,
        rank: 5,
        sortable: true,
        cell: (row) => cut(row.sentAs),
      },
      {
        id: "use",
        label: t("Last use"),
        grow: 0,
        width: 90,
        rank: 6,
        sortable: true,
        end: true,
        cell: ({ state }) => (lastUse(state) === 0 ? "–" : formatTime(lastUse(state))),
      },
      {
        id: "actions",
        label: t("Actions"),
        hidden: true,
        grow: 0,
        width: 88,
        rank: 3,
        end: true,
        cell: (row, isActive) => this.#actions(row, isActive),
      },
      {
        id: "edit",
        label: t("Edit"),
        hidden: true,
        grow: 0,
        width: 36,
        rank: 1,
        cell: (row, isActive) =>
          this.#button(row, isActive, "edit", t("Edit"), () => this.#edit(keyText(row))),
      },
    ];
  }

  #actions(row: EntryRow, isActive: boolean): TemplateResult {
    const button = (name: IconName, title: string, act: () => void) =>
      this.#button(row, isActive, name, title, act);
    return html`${row.source === "stored" ? nothing : button("test", t("Test"), () => void this.#test(row))}
    ${button(
      row.enabled ? "power" : "play",
      row.enabled ? t("Disable") : t("Enable"),
      () => void this.#enable([row], !row.enabled),
    )}${button("trash", t("Remove"), () => void this.#remove([row]))}`;
  }

  #button(row: EntryRow, isActive: boolean, name: IconName, title: string, act: () => void): TemplateResult {
    return html`<button
      type="button"
      class="icon-button"
      title=${title}
      aria-label=${`${title}: ${row.id}`}
      tabindex=${isActive ? "0" : "-1"}
      @click=${act}
      @dblclick=${(event: Event) => event.stopPropagation()}
    >
      ${icon(name)}
    </button>`;
  }

  #state(row: EntryRow): TemplateResult {
    const test = this.#tests.get(keyText(row));
    switch (test?.kind) {
      case "running":
        return standing("dot", "plain", t("is being read…"));
      case "passed":
        return standing("check", "good", t("read in {0}", formatDuration(test.ms)));
      case "failed":
        return standing("cross", "bad", test.failure.message);
      case undefined:
        break;
    }
    if (row.override?.all === true) {
      return standing("warning", "plain", t("the stored secret “{0}” wins", row.override.by));
    }
    switch (row.state.kind) {
      case "disabled":
        return standing("off", "plain", t("disabled"));
      case "unused":
        return standing("dot", "plain", t("not used yet"));
      case "ready":
        return standing("check", "good", t("ready"));
      case "error":
        return standing("cross", "bad", row.state.failure.message);
    }
  }

  #detail() {
    const key = this.#editing;
    if (key === undefined) {
      return undefined;
    }
    const entry = this.entries.find((one) => keyText(one) === key);
    const content = html`<onecli-entry-editor
      .host=${this.host}
      .services=${this.services}
      .entry=${entry}
      .hasVaults=${!this.isTeams}
      .onDone=${(saved: EntryKey | undefined) => this.#edited(saved)}
      .onTest=${entry?.source === "1password" ? () => void this.#test(entry) : undefined}
      .onEnable=${entry && (() => void this.#enable([entry], !entry.enabled))}
      .onRemove=${entry && (() => void this.#remove([entry]))}
      .onReplaceValue=${
        entry?.source === "stored"
          ? () => void this.#try(() => this.host.ask("replaceValue", { key: keyOf(entry) }))
          : undefined
      }
    ></onecli-entry-editor>`;
    return { key, content };
  }

  #empty(): TemplateResult {
    if (this.entries.length > 0) {
      return html`<p>${t("Nothing fits the filter.")}</p>`;
    }
    return this.hasAccount
      ? html`<p>${t("No host gets a secret yet.")}</p>
          <vscode-button @click=${() => this.#edit("")}>${t("Add Mapping")}</vscode-button>`
      : html`<p>${t("Connect 1Password, then say which host gets which secret.")}</p>`;
  }

  #bulk(): TemplateResult {
    const chosen = () => this.entries.filter((row) => this.#selected.has(keyText(row)));
    const button = (title: string, act: () => void) =>
      html`<vscode-button secondary @click=${act}>${title}</vscode-button>`;
    return html`<div class="toolbar bulk" role="group" aria-label=${t("Selected")}>
      <span role="status">${t("{0} selected", this.#selected.size)}</span>
      ${button(t("Test"), () => chosen().forEach((row) => void this.#test(row)))}
      ${button(t("Enable"), () => void this.#enable(chosen(), true))}
      ${button(t("Disable"), () => void this.#enable(chosen(), false))}
      ${button(t("Remove"), () => void this.#remove(chosen()))}
      ${button(t("Select None"), () => {
        this.#selected = new Set();
        this.requestUpdate();
      })}
    </div>`;
  }

  #messages(): TemplateResult {
    const undo = this.#undo;
    const close = (act: () => void) =>
      html`<button
        type="button"
        class="icon-button"
        title=${t("Close")}
        aria-label=${t("Close")}
        @click=${() => {
          act();
          this.requestUpdate();
        }}
      >
        ${icon("close")}
      </button>`;
    return html`<div class="live" role="status">
        ${
          undo === undefined
            ? nothing
            : html`<div class="message">
                <span
                  >${undo.removed === 1 ? t("1 entry was removed.") : t("{0} entries were removed.", undo.removed)}</span
                >
                <vscode-button secondary @click=${this.#restore}>${t("Undo")}</vscode-button>
                ${close(() => (this.#undo = undefined))}
              </div>`
        }
      </div>
      <div class="live" role="alert">
        ${
          this.#failure === undefined
            ? nothing
            : html`<div class="message bad">
                ${icon("cross")}<span>${this.#failure.message} ${this.#failure.hint ?? ""}</span>
                ${close(() => (this.#failure = undefined))}
              </div>`
        }
      </div>`;
  }

  get #grid(): Grid | null {
    return this.querySelector<Grid>("onecli-grid");
  }

  /** The person wants other rows, or another order. */
  #arrange(): void {
    this.#places = undefined;
    this.requestUpdate();
  }

  #visible(): readonly EntryRow[] {
    const places = this.#places;
    const rows = this.entries.filter(
      (row) =>
        keyText(row) === this.#editing ||
        ((this.#filter === "all" || row.state.kind === this.#filter) &&
          matches(this.#text, row.id, row.secret, row.names ?? "", row.sentAs)),
    );
    const placeOf = (row: EntryRow) => places?.get(keyText(row)) ?? rows.length;
    return places === undefined ? this.#sorted(rows) : rows.toSorted((a, b) => placeOf(a) - placeOf(b));
  }

  #sorted(rows: readonly EntryRow[]): readonly EntryRow[] {
    return sortBy(rows, this.#sort, (row, column) => {
      switch (column) {
        case "state":
          return row.state.kind;
        case "secret":
          return row.names ?? row.secret;
        case "sent":
          return row.sentAs;
        case "use":
          return lastUse(row.state);
        default:
          return row.id;
      }
    });
  }

  #key(row: EntryRow, key: string): boolean {
    switch (key) {
      case "F2":
        this.#edit(keyText(row));
        return true;
      case " ":
        this.#toggle(keyText(row));
        return true;
      case "Delete":
        void this.#remove(this.#selected.has(keyText(row)) ? this.#chosen() : [row]);
        return true;
      default:
        return false;
    }
  }

  #chosen(): readonly EntryRow[] {
    return this.entries.filter((row) => this.#selected.has(keyText(row)));
  }

  #toggle(key: string): void {
    const selected = new Set(this.#selected);
    if (!selected.delete(key)) {
      selected.add(key);
    }
    this.#selected = selected;
    this.requestUpdate();
  }

  #edit(key: string): void {
    this.#editing = key;
    this.requestUpdate();
  }

  #edited(saved: EntryKey | undefined): void {
    const key = saved === undefined ? this.#editing : keyText(saved);
    this.#editing = undefined;
    this.requestUpdate();
    void this.updateComplete.then(() => this.#grid?.focusRow(key));
    const row = this.entries.find((one) => keyText(one) === key);
    if (saved !== undefined && row?.enabled === true && row.source === "1password") {
      void this.#test(row);
    }
  }

  async #test(row: EntryRow): Promise<void> {
    const key = keyText(row);
    const enter = (test: Test) => {
      this.#tests.set(key, test);
      this.requestUpdate();
    };
    enter({ kind: "running" });
    try {
      const { ms } = await this.host.ask("test", { key: keyOf(row) });
      enter({ kind: "passed", ms });
    } catch (error) {
      enter({ kind: "failed", failure: failureOf(error) });
    }
  }

  async #enable(rows: readonly EntryRow[], enabled: boolean): Promise<void> {
    await this.#try(() => this.host.ask("enable", { keys: rows.map(keyOf), enabled }));
  }

  async #remove(rows: readonly EntryRow[]): Promise<void> {
    const index = this.#rows.findIndex((row) => row === rows[0]);
    const answer = await this.#try(() => this.host.ask("remove", { keys: rows.map(keyOf) }));
    this.#undo = answer?.removed === 0 ? undefined : answer;
    this.requestUpdate();
    await this.updateComplete;
    const next = this.#rows[Math.min(index, this.#rows.length - 1)];
    this.#grid?.focusRow(next && keyText(next));
  }

  readonly #restore = async (): Promise<void> => {
    const undo = this.#undo;
    this.#undo = undefined;
    if (undo !== undefined) {
      await this.#try(() => this.host.ask("undo", { token: undo.token }));
    }
    this.requestUpdate();
  };

  async #try<T>(act: () => Promise<T>): Promise<T | undefined> {
    this.#failure = undefined;
    try {
      return await act();
    } catch (error) {
      this.#failure = failureOf(error);
      this.requestUpdate();
      return undefined;
    }
  }
}

function filterTitles(): Readonly<Record<Filter, string>> {
  return { all: t("All"), error: t("Failing"), disabled: t("Disabled"), unused: t("Not used yet") };
}

function lastUse(state: EntryRow["state"]): number {
  return state.kind === "ready" || state.kind === "error" ? (state.lastUse ?? 0) : 0;
}

/** A text that may be too long for its cell; the pointer shows it whole. */
export function cut(text: string): TemplateResult {
  return html`<span class="cut" title=${text}>${text}</span>`;
}

function standing(name: IconName, tone: "good" | "bad" | "plain", text: string): TemplateResult {
  return html`<span class="standing ${tone}" title=${text}
    >${icon(name)}<span class="cut">${text}</span></span
  >`;
}

customElements.define("onecli-secrets", Secrets);
