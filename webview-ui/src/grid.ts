// A table of any length: only the rows in sight exist, and the one with something below it. One row at a time is in the tab order; arrows lead to the others
// (https://www.w3.org/WAI/ARIA/apg/patterns/grid/).
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "./icons.ts";
import { Light } from "./light.ts";
import { t } from "./l10n.ts";

export type Content = TemplateResult | string | typeof nothing;

export interface Column<Row> {
  readonly id: string;
  readonly label: string;
  /** The heading is for screen readers alone. */
  readonly hidden?: boolean;
  /** Share of the room that is left over; 0 for none. */
  readonly grow: number;
  /** Pixels that it has at least. Columns with the highest `rank` go first where they do not all find room. */
  readonly width: number;
  readonly rank: number;
  readonly end?: boolean;
  readonly sortable?: boolean;
  readonly cell: (row: Row, isActive: boolean) => Content;
}

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

/** Pixels; the stylesheet has the same. */
const rowHeight = 28;
const overscan = 4;

export class Grid<Row = unknown> extends Light {
  static override properties = {
    label: { attribute: false },
    columns: { attribute: false },
    rows: { attribute: false },
    keyOf: { attribute: false },
    describe: { attribute: false },
    sort: { attribute: false },
    selected: { attribute: false },
    current: { attribute: false },
    detail: { attribute: false },
    empty: { attribute: false },
    anchored: { attribute: false },
  };
  declare label: string;
  declare columns: readonly Column<Row>[];
  declare rows: readonly Row[];
  declare keyOf: (row: Row) => string;
  declare sort: Sort | undefined;
  /** Keys of the rows that are marked; absent where rows cannot be. */
  declare selected: ReadonlySet<string> | undefined;
  /** Key of the row whose details are shown somewhere else. */
  declare current: string | undefined;
  /** What stands below a row, or first of all where the key is "". */
  declare detail: { readonly key: string; readonly content: TemplateResult } | undefined;
  declare empty: Content;
  /** Rows that come in above leave what is in sight where it is. */
  declare anchored: boolean;
  declare onSort: ((column: string) => void) | undefined;
  declare onActivate: ((row: Row) => void) | undefined;
  declare onKey: ((row: Row, key: string) => boolean) | undefined;
  #active: string | undefined;
  #top = 0;
  #height = 600;
  #width = 1000;
  #detailHeight = 0;
  #wantsFocus = false;
  #hadFocus = false;
  readonly #sizes = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.label = "";
    this.columns = [];
    this.rows = [];
    this.keyOf = String;
    this.empty = nothing;
    this.anchored = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sizes.disconnect();
  }

  /** Makes a row the active one and moves the focus to it. */
  focusRow(key: string | undefined = this.#active): void {
    const index = this.#indexOf(key);
    if (index === -1) {
      this.#viewport?.focus();
      return;
    }
    this.#goTo(index);
  }

  protected override willUpdate(changed: PropertyValues): void {
    this.#hadFocus = this.contains(document.activeElement);
    if (changed.has("rows")) {
      const former = (changed.get("rows") as readonly Row[] | undefined) ?? [];
      const first = former[Math.floor(this.#top / rowHeight)];
      if (this.anchored && this.#top > 0 && first !== undefined) {
        const index = this.#indexOf(this.keyOf(first));
        if (index !== -1) {
          this.#top = index * rowHeight + (this.#top % rowHeight);
        }
      }
    }
    if (this.#active === undefined || this.#indexOf(this.#active) === -1) {
      this.#active = this.rows[0] === undefined ? undefined : this.keyOf(this.rows[0]);
    }
  }

  protected override firstUpdated(): void {
    const viewport = this.#viewport;
    if (viewport !== null) {
      this.#sizes.observe(viewport);
    }
  }

  protected override updated(): void {
    const viewport = this.#viewport;
    const columns = this.#fitting();
    const tracks = columns.map(({ grow, width }) =>
      grow === 0 ? `${width}px` : `minmax(${width}px, ${grow}fr)`,
    );
    // By the object model: the page's policy allows no style attributes.
    this.style.setProperty("--tracks", tracks.join(" "));
    const { before, between, after } = this.#shown();
    this.style.setProperty("--before", `${before * rowHeight}px`);
    this.style.setProperty("--between", `${between * rowHeight}px`);
    this.style.setProperty("--after", `${after * rowHeight}px`);
    if (viewport === null) {
      return;
    }
    if (this.anchored && viewport.scrollTop !== this.#top) {
      viewport.scrollTop = this.#top;
      this.#top = viewport.scrollTop;
    }
    const detail = this.querySelector(".grid-detail");
    if (detail !== null) {
      this.#sizes.observe(detail);
    }
    this.#detailHeight = detail?.clientHeight ?? 0;
    if (this.#wantsFocus) {
      this.#wantsFocus = false;
      this.querySelector<HTMLElement>('[role="row"][tabindex="0"]')?.focus({ preventScroll: true });
    } else if (
      this.#hadFocus &&
      !this.contains(document.activeElement) &&
      document.activeElement === document.body
    ) {
      // The row that had it is gone, or out of sight.
      viewport.focus({ preventScroll: true });
    }
  }

  protected override render(): TemplateResult {
    const columns = this.#fitting();
    const { indices, gapBefore } = this.#shown();
    const shown = indices.flatMap((index) =>
      this.rows.slice(index, index + 1).map((row) => ({ row, index })),
    );
    const multiple = this.selected === undefined ? nothing : "true";
    return html`<div
      class="grid"
      role="grid"
      aria-label=${this.label}
      aria-rowcount=${this.rows.length + 1}
      aria-colcount=${columns.length}
      aria-multiselectable=${multiple}
      tabindex="-1"
      @scroll=${this.#scrolled}
      @keydown=${this.#pressed}
    >
      <div class="grid-head" role="row" aria-rowindex="1">
        ${columns.map((column) => this.#heading(column))}
      </div>
      <div role="rowgroup">
        ${this.detail?.key === "" ? this.#below(columns.length) : nothing}
        <div class="grid-before" role="presentation"></div>
        ${repeat(
          shown,
          ({ row }) => this.keyOf(row),
          ({ row, index }) =>
            html`${
              index === gapBefore ? html`<div class="grid-between" role="presentation"></div>` : nothing
            }${this.#row(row, index, columns)}`,
        )}
        <div class="grid-after" role="presentation"></div>
        ${
          this.rows.length === 0 && this.detail === undefined
            ? html`<div class="grid-empty" role="row"><div role="gridcell">${this.empty}</div></div>`
            : nothing
        }
      </div>
    </div>`;
  }

  #heading({ id, label, hidden = false, end = false, sortable = false }: Column<Row>): TemplateResult {
    const isSorted = this.sort?.column === id;
    const descending = this.sort?.descending === true;
    const order = !sortable ? nothing : !isSorted ? "none" : descending ? "descending" : "ascending";
    const text = hidden ? html`<span class="hidden">${label}</span>` : label;
    return html`<div class=${end ? "cell end" : "cell"} role="columnheader" aria-sort=${order}>
      ${
        sortable
          ? html`<button type="button" class="heading" @click=${() => this.onSort?.(id)}>
              ${text}${isSorted ? icon(descending ? "down" : "up") : nothing}
            </button>`
          : text
      }
    </div>`;
  }

  #row(row: Row, index: number, columns: readonly Column<Row>[]): TemplateResult {
    const key = this.keyOf(row);
    const isActive = key === this.#active;
    const isMarked = this.selected?.has(key);
    const isCurrent = this.current === key;
    return html`<div
        class=${`row${isMarked === true ? " marked" : ""}${isCurrent ? " current" : ""}`}
        role="row"
        data-key=${key}
        aria-rowindex=${index + 2}
        aria-selected=${isMarked ?? nothing}
        aria-current=${isCurrent ? "true" : nothing}
        tabindex=${isActive ? "0" : "-1"}
        @focusin=${() => this.#activate(key)}
        @dblclick=${() => this.onActivate?.(row)}
        @click=${(event: MouseEvent) => this.#clicked(event, row)}
      >
        ${columns.map(
          ({ cell, end }) =>
            html`<div class=${end === true ? "cell end" : "cell"} role="gridcell">
              ${cell(row, isActive)}
            </div>`,
        )}
      </div>
      ${this.detail?.key === key ? this.#below(columns.length) : nothing}`;
  }

  #below(span: number): TemplateResult {
    return html`<div class="grid-detail" role="row">
      <div role="gridcell" aria-colspan=${span}>${this.detail?.content}</div>
    </div>`;
  }

  get #viewport(): HTMLElement | null {
    return this.querySelector(".grid");
  }

  /** Columns for which there is room: the dearest stay. */
  #fitting(): readonly Column<Row>[] {
    let left = this.#width;
    const kept = new Set<Column<Row>>();
    for (const column of this.columns.toSorted((a, b) => a.rank - b.rank)) {
      if (left < column.width && column.rank > 0) {
        break;
      }
      left -= column.width;
      kept.add(column);
    }
    return this.columns.filter((column) => kept.has(column));
  }

  /**
   * The rows that exist: those in sight, and the one with something below it, which may be in use. `before`, `between` and
   * `after` are the rows that are left out; those between are above the row `gapBefore`.
   */
  #shown() {
    const detailAt = this.detail === undefined ? -1 : this.#indexOf(this.detail.key);
    const { first, last } = this.#inSight(detailAt);
    const indices = Array.from({ length: last - first }, (_, index) => first + index);
    const left = { before: first, between: 0, after: this.rows.length - last };
    if (detailAt !== -1 && detailAt < first) {
      const between = first - detailAt - 1;
      return { ...left, indices: [detailAt, ...indices], before: detailAt, between, gapBefore: first };
    }
    if (detailAt >= last) {
      const after = this.rows.length - detailAt - 1;
      return {
        ...left,
        indices: [...indices, detailAt],
        between: detailAt - last,
        after,
        gapBefore: detailAt,
      };
    }
    return { ...left, indices, gapBefore: undefined };
  }

  /** From `first` to before `last`. */
  #inSight(detailAt: number): { readonly first: number; readonly last: number } {
    const below = this.detail !== undefined && this.#top > (detailAt + 1) * rowHeight;
    const top = Math.max(0, this.#top - (below ? this.#detailHeight : 0));
    const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - overscan, this.rows.length - 1));
    const count = Math.ceil(this.#height / rowHeight) + 2 * overscan;
    return { first, last: Math.min(this.rows.length, first + count) };
  }

  #indexOf(key: string | undefined): number {
    return key === undefined ? -1 : this.rows.findIndex((row) => this.keyOf(row) === key);
  }

  #measure(): void {
    const viewport = this.#viewport;
    const detail = this.querySelector(".grid-detail")?.clientHeight ?? 0;
    if (
      viewport !== null &&
      (viewport.clientHeight !== this.#height ||
        viewport.clientWidth !== this.#width ||
        detail !== this.#detailHeight)
    ) {
      this.#height = viewport.clientHeight;
      this.#width = viewport.clientWidth;
      this.#detailHeight = detail;
      this.requestUpdate();
    }
  }

  readonly #scrolled = (): void => {
    const top = this.#viewport?.scrollTop ?? 0;
    if (top !== this.#top) {
      this.#top = top;
      this.requestUpdate();
    }
  };

  #activate(key: string): void {
    if (this.#active !== key) {
      this.#active = key;
      this.requestUpdate();
    }
  }

  #clicked(event: MouseEvent, row: Row): void {
    const isControl = event
      .composedPath()
      .some((node) => node instanceof Element && node.matches("button, input"));
    if (!isControl) {
      this.#activate(this.keyOf(row));
      this.onKey?.(row, "Click");
    }
  }

  readonly #pressed = (event: KeyboardEvent): void => {
    const { target, key } = event;
    const isOnRow = target === this.#viewport || (target as Element).getAttribute("role") === "row";
    const index = this.#indexOf(this.#active);
    const row = this.rows[index];
    if (!isOnRow || row === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const page = Math.max(1, Math.floor(this.#height / rowHeight) - 2);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: this.rows.length - 1,
    };
    const next = steps[key];
    if (next !== undefined) {
      this.#goTo(Math.max(0, Math.min(next, this.rows.length - 1)));
    } else if (key === "Enter") {
      this.onActivate?.(row);
    } else if (this.onKey?.(row, key) !== true) {
      return;
    }
    event.preventDefault();
  };

  #goTo(index: number): void {
    const row = this.rows[index];
    const viewport = this.#viewport;
    if (row === undefined || viewport === null) {
      return;
    }
    this.#active = this.keyOf(row);
    const head = this.querySelector(".grid-head")?.clientHeight ?? 0;
    const y = index * rowHeight;
    const inSight = viewport.clientHeight - head - rowHeight;
    if (y < viewport.scrollTop) {
      viewport.scrollTop = y;
    } else if (y > viewport.scrollTop + inSight) {
      viewport.scrollTop = y - inSight;
    }
    this.#top = viewport.scrollTop;
    this.#wantsFocus = true;
    this.requestUpdate();
  }
}

export function sortBy<Row>(
  rows: readonly Row[],
  sort: Sort | undefined,
  valueOf: (row: Row, column: string) => string | number,
): readonly Row[] {
  if (sort === undefined) {
    return rows;
  }
  const { column, descending } = sort;
  const sign = descending ? -1 : 1;
  return rows.toSorted((a, b) => sign * compare(valueOf(a, column), valueOf(b, column)));
}

function compare(a: string | number, b: string | number): number {
  return typeof a === "string" && typeof b === "string" ? a.localeCompare(b) : Number(a) - Number(b);
}

/** The order after a click on a heading. */
export function nextSort(sort: Sort | undefined, column: string): Sort | undefined {
  if (sort?.column !== column) {
    return { column, descending: false };
  }
  return sort.descending ? undefined : { column, descending: true };
}

/** Whether each word of the filter is somewhere in the texts. */
export function matches(filter: string, ...texts: readonly string[]): boolean {
  const all = texts.join("\n").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

customElements.define("onecli-grid", Grid);

/** The count of rows, for people and for screen readers. */
export function countText(shown: number, all: number): string {
  return shown === all ? t("{0} shown", all) : t("{0} of {1} shown", shown, all);
}
