// One view of the side bar: its tree, or the text it shows while that is empty.
import { type Locator, type Page } from "playwright-core";
import { exactly } from "./quickInput.ts";
import { untilThere } from "./untilThere.ts";

export interface TreeRow {
  readonly label: string;
  readonly description: string;
  /** What a screen reader says. */
  readonly ariaLabel: string;
  /** 1 for the roots. */
  readonly level: number;
}

/** What is used of an element in the page; the tests are checked without the DOM's types. */
interface RowElement {
  readonly dataset: { readonly index?: string };
  getAttribute(name: string): string | null;
  querySelector(selector: string): { readonly textContent: string | null } | null;
}

/** Runs in the page. */
function readRows(rows: readonly RowElement[]): TreeRow[] {
  return rows
    .toSorted((a, b) => Number(a.dataset.index) - Number(b.dataset.index))
    .map((row) => ({
      label: row.querySelector(".label-name")?.textContent ?? "",
      description: row.querySelector(".label-description")?.textContent ?? "",
      ariaLabel: row.getAttribute("aria-label") ?? "",
      level: Number(row.getAttribute("aria-level")),
    }));
}

export class TreeView {
  readonly pane: Locator;
  readonly #page: Page;
  readonly #rows: Locator;

  /** A view by its name; it has to be in sight (`Workbench.openView`). */
  constructor(page: Page, name: string) {
    this.#page = page;
    // In a container with one view, this header is hidden, but there.
    const header = page.locator(`.pane-header[aria-label^=${JSON.stringify(`${name} Section`)}]`);
    this.pane = page.locator(".pane", { has: header });
    this.#rows = this.pane.locator(".monaco-list-rows > .monaco-list-row");
  }

  /** The rows in sight. */
  async rows(): Promise<TreeRow[]> {
    return this.#rows.evaluateAll(readRows);
  }

  /** A row by its label, to wait for or to click. */
  row(label: string): Locator {
    return this.#named(this.#rows, label).first();
  }

  /** The order in the document is not the one on the screen. */
  #at(index: number): Locator {
    return this.#rows.and(this.#page.locator(`[data-index="${index}"]`));
  }

  #named(rows: Locator, label: string): Locator {
    return rows.filter({ has: this.#page.locator(".label-name", { hasText: exactly(label) }) });
  }

  /** Waits until the rows in sight have these labels, and no others are there. */
  async waitForLabels(...labels: readonly string[]): Promise<TreeRow[]> {
    for (const [index, label] of labels.entries()) {
      await this.#named(this.#at(index), label).waitFor();
    }
    await this.#at(labels.length).waitFor({ state: "detached" });
    return this.rows();
  }

  /** Clicks a button that a row shows while the mouse is over it. */
  async inlineAction(label: string, action: string): Promise<void> {
    const row = this.row(label);
    await row.hover();
    await row.locator(".actions").getByRole("button", { name: action, exact: true }).click();
  }

  /** Chooses from a row's context menu. */
  async menuAction(label: string, action: string): Promise<void> {
    await this.row(label).click({ button: "right" });
    const item = this.#page.getByRole("menuitem", { name: action, exact: true });
    await item.waitFor();
    // A menu that has just opened takes no click, lest the click that opened it choose something.
    await untilThere(async () => {
      if (await item.isVisible()) {
        await item.click({ timeout: 1000 });
        await item.waitFor({ state: "hidden", timeout: 300 });
      }
    });
  }

  /** Clicks a button in the view's title, which for the only view of a container is the title of the side bar. */
  async titleAction(action: string): Promise<void> {
    const actions = this.pane.locator(".pane-header .actions");
    const merged = this.#page.locator(".sidebar .composite.title .title-actions");
    await this.pane.hover();
    await actions.or(merged).getByRole("button", { name: action, exact: true }).click();
  }

  /** The text and the buttons of an empty view. */
  get welcome(): Locator {
    return this.pane.locator(".welcome-view-content");
  }
}
