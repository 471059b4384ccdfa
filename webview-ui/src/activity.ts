// What went where: the last requests, the latest first.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ActivityRow, Failure } from "../../src/shared/webviewProtocol.ts";
import "./activityDetails.ts";
import { type Column, countText, type Grid, matches, nextSort, type Sort, sortBy } from "./grid.ts";
import { failureOf, type Host } from "./host.ts";
import { icon } from "./icons.ts";
import { formatBytes, formatDuration, formatTime, t } from "./l10n.ts";
import { Light } from "./light.ts";
import { cut } from "./secrets.ts";

const filters = ["all", "errors", "secrets", "tunnels"] as const;
type Filter = (typeof filters)[number];

/** What is left as it was when the page comes back. */
interface Kept {
  readonly text: string;
  readonly filter: Filter;
}

class Activity extends Light {
  static override properties = { host: { attribute: false }, records: { attribute: false } };
  declare host: Host;
  /** Oldest first. */
  declare records: readonly ActivityRow[];
  #text = "";
  #filter: Filter = "all";
  #sort: Sort | undefined;
  /** What was there when it was paused. */
  #paused: readonly ActivityRow[] | undefined;
  #opened: ActivityRow | undefined;
  #failure: Failure | undefined;
  #rows: readonly ActivityRow[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    const kept = this.host.kept as Partial<Kept> | undefined;
    this.#text = typeof kept?.text === "string" ? kept.text : "";
    this.#filter = filters.find((one) => one === kept?.filter) ?? "all";
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("records") && this.#paused !== undefined && this.records.length === 0) {
      this.#paused = [];
    }
    const rows = (this.#paused ?? this.records).filter(
      (row) => fits(row, this.#filter) && matches(this.#text, ...textsOf(row)),
    );
    this.#rows = sortBy(rows.toReversed(), this.#sort, valueOf);
  }

  protected override render(): TemplateResult {
    const rows = this.#rows;
    const all = this.#paused ?? this.records;
    return html`<section class="card" aria-labelledby="activity-title">
      <div class="toolbar">
        <h2 id="activity-title">${t("Activity")}</h2>
        <input
          class="input filter"
          type="text"
          spellcheck="false"
          aria-label=${t("Filter activity")}
          placeholder=${t("Filter: host, path, status, agent, …")}
          .value=${this.#text}
          @input=${(event: Event) => this.#look({ text: (event.target as HTMLInputElement).value })}
        />
        <select
          class="input"
          aria-label=${t("Show")}
          @change=${(event: Event) =>
            this.#look({ filter: (event.target as HTMLSelectElement).value as Filter })}
        >
          ${filters.map(
            (one) =>
              html`<option value=${one} ?selected=${one === this.#filter}>${filterTitles()[one]}</option>`,
          )}
        </select>
        <span class="dim count">${countText(rows.length, all.length)}</span>
        <div class="actions">
          <vscode-button
            secondary
            aria-pressed=${this.#paused === undefined ? "false" : "true"}
            @click=${this.#pause}
          >
            ${this.#paused === undefined ? t("Pause") : t("Resume ({0} more)", this.#waiting())}
          </vscode-button>
          <vscode-button secondary ?disabled=${rows.length === 0} @click=${() => void this.#export("har")}>
            ${t("Export HAR")}
          </vscode-button>
          <vscode-button secondary ?disabled=${rows.length === 0} @click=${() => void this.#export("json")}>
            ${t("Export JSON")}
          </vscode-button>
          <vscode-button
            secondary
            ?disabled=${all.length === 0}
            @click=${() => void this.host.ask("clear", {})}
          >
            ${t("Clear")}
          </vscode-button>
        </div>
      </div>
      <div class="live" role="alert">
        ${this.#failure === undefined ? nothing : html`<p class="bad">${icon("cross")} ${this.#failure.message}</p>`}
      </div>
      <div class=${this.#opened === undefined ? "split" : "split open"}>
        <onecli-grid
          class="activity-grid"
          .label=${t("Requests, the latest first")}
          .columns=${columns()}
          .rows=${rows}
          .keyOf=${keyOf}
          .sort=${this.#sort}
          .current=${this.#opened && keyOf(this.#opened)}
          .anchored=${this.#sort === undefined}
          .empty=${this.#empty()}
          .onSort=${(column: string) => {
            this.#sort = nextSort(this.#sort, column);
            this.requestUpdate();
          }}
          .onActivate=${(row: ActivityRow) => this.#open(row)}
          .onKey=${(row: ActivityRow, key: string) => {
            if (key === "Click") {
              this.#open(row, false);
            }
            return key === "Escape" && this.#close();
          }}
        ></onecli-grid>
        ${
          this.#opened === undefined
            ? nothing
            : html`<onecli-activity-details
                .host=${this.host}
                .row=${this.#opened}
                .onClose=${() => this.#close()}
              ></onecli-activity-details>`
        }
      </div>
    </section>`;
  }

  #empty(): TemplateResult {
    return this.records.length > 0
      ? html`<p>${t("Nothing fits the filter.")}</p>`
      : html`<p>${t("No request yet. Programs in new terminals go through the gateway.")}</p>
          <vscode-button secondary @click=${() => this.host.run("onecli.terminal.open")}>
            ${t("New Terminal")}
          </vscode-button>`;
  }

  #look(change: Partial<Kept>): void {
    this.#text = change.text ?? this.#text;
    this.#filter = change.filter ?? this.#filter;
    this.host.keep({ text: this.#text, filter: this.#filter } satisfies Kept);
    this.requestUpdate();
  }

  readonly #pause = (): void => {
    this.#paused = this.#paused === undefined ? this.records : undefined;
    this.requestUpdate();
  };

  #waiting(): number {
    const last = this.#paused?.at(-1)?.seq ?? -1;
    return this.records.filter(({ seq }) => seq > last).length;
  }

  #open(row: ActivityRow, focus = true): void {
    this.#opened = row;
    this.requestUpdate();
    if (focus) {
      void this.updateComplete.then(() =>
        this.querySelector<HTMLElement>("onecli-activity-details .icon-button")?.focus(),
      );
    }
  }

  #close(): boolean {
    const row = this.#opened;
    if (row === undefined) {
      return false;
    }
    this.#opened = undefined;
    this.requestUpdate();
    void this.updateComplete.then(() => this.querySelector<Grid>("onecli-grid")?.focusRow(keyOf(row)));
    return true;
  }

  async #export(format: "har" | "json"): Promise<void> {
    this.#failure = undefined;
    const isFiltered = this.#rows.length !== this.records.length;
    try {
      const seqs = this.#rows.map(({ seq }) => seq).toSorted((a, b) => a - b);
      await this.host.ask("export", { format, ...(isFiltered && { seqs }) });
    } catch (error) {
      this.#failure = failureOf(error);
    }
    this.requestUpdate();
  }
}

function columns(): readonly Column<ActivityRow>[] {
  const column = (
    id: string,
    label: string,
    [grow, width, rank]: readonly [number, number, number],
    cell: Column<ActivityRow>["cell"],
    end = false,
  ): Column<ActivityRow> => ({ id, label, grow, width, rank, cell, end, sortable: true });
  return [
    column("time", t("Time"), [0, 92, 2], ({ at }) => formatTime(at)),
    column("agent", t("Agent"), [0, 80, 8], ({ agent }) => cut(agent)),
    column("method", t("Method"), [0, 84, 4], ({ method }) => cut(method)),
    column("host", t("Host"), [3, 150, 0], ({ host }) => cut(host)),
    column("path", t("Path"), [3, 120, 3], ({ path }) => cut(path)),
    column("status", t("Status"), [0, 76, 1], (row) => statusCell(row)),
    column("secret", t("Secret"), [2, 130, 5], (row) => cut(row.secret ?? row.entry ?? "")),
    column("source", t("Source"), [0, 92, 7], (row) => sourceText(row)),
    column("head", t("First byte"), [0, 84, 6], ({ headMs }) => formatDuration(headMs), true),
    column("total", t("Total"), [0, 78, 6], ({ totalMs }) => formatDuration(totalMs), true),
    column(
      "bytes",
      t("Bytes"),
      [0, 84, 9],
      ({ bytesUp, bytesDown }) => formatBytes(bytesUp + bytesDown),
      true,
    ),
  ];
}

function statusCell(row: ActivityRow): TemplateResult {
  const isBad = row.failure !== undefined || row.status >= 400;
  return html`<span class=${isBad ? "standing bad" : "standing"} title=${row.failure?.message ?? ""}
    >${isBad ? icon("cross") : row.warning === undefined ? nothing : icon("warning")}<span
      >${row.status === 0 ? "–" : row.status}</span
    ></span
  >`;
}

/** Where the value came from. */
export function sourceText({ source, cacheHit }: ActivityRow): string {
  return source === undefined
    ? "–"
    : source === "stored"
      ? t("stored")
      : cacheHit === true
        ? t("cache")
        : "1Password";
}

function keyOf({ seq }: ActivityRow): string {
  return String(seq);
}

function fits({ failure, status, entry, kind }: ActivityRow, filter: Filter): boolean {
  switch (filter) {
    case "all":
      return true;
    case "errors":
      return failure !== undefined || status >= 400;
    case "secrets":
      return entry !== undefined;
    case "tunnels":
      return kind === "tunnel";
  }
}

function textsOf({
  host,
  path,
  method,
  agent,
  status,
  secret = "",
  failure,
}: ActivityRow): readonly string[] {
  return [host, path, method, agent, String(status), secret, failure?.code ?? ""];
}

function valueOf(row: ActivityRow, column: string): string | number {
  switch (column) {
    case "agent":
    case "method":
    case "host":
    case "path":
    case "status":
      return row[column];
    case "secret":
      return row.secret ?? "";
    case "source":
      return sourceText(row);
    case "head":
      return row.headMs;
    case "total":
      return row.totalMs;
    case "bytes":
      return row.bytesUp + row.bytesDown;
    default:
      return row.seq;
  }
}

function filterTitles(): Readonly<Record<Filter, string>> {
  return {
    all: t("All"),
    errors: t("Errors"),
    secrets: t("With a secret"),
    tunnels: t("Not mapped"),
  };
}

customElements.define("onecli-activity", Activity);
