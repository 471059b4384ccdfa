// The box at the top of the workbench: palette, input box, quick pick.
import { type Locator, type Page } from "playwright-core";

/** Matches a text from beginning to end. */
export function exactly(text: string): RegExp {
  return new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*$`);
}

export class QuickInput {
  readonly widget: Locator;
  readonly input: Locator;
  readonly rows: Locator;
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
    this.widget = page.locator(".quick-input-widget:visible");
    this.input = this.widget.locator(".quick-input-filter input.input");
    this.rows = this.widget.locator(".quick-input-list .monaco-list-row");
  }

  /** Waits until the box with this title is there. */
  async waitForTitle(title: string): Promise<void> {
    await this.widget.locator(".quick-input-title", { hasText: exactly(title) }).waitFor();
  }

  /** Waits until the line below the input says this: the prompt, or why the input is not accepted. */
  async waitForMessage(text: string): Promise<void> {
    await this.widget.locator(".quick-input-message", { hasText: text }).waitFor();
  }

  async title(): Promise<string> {
    return this.widget.locator(".quick-input-title").innerText();
  }

  async message(): Promise<string> {
    return this.widget.locator(".quick-input-message").innerText();
  }

  /** Replaces what is in the input. In a quick pick, that filters. */
  async type(text: string): Promise<void> {
    await this.input.fill(text);
  }

  /** Enter. The box may stay: for the next step, or because the input is not valid. */
  async accept(): Promise<void> {
    await this.input.press("Enter");
  }

  /** A row of a quick pick. Only rows in sight exist: in a long list, `type` first. */
  row(label: string): Locator {
    const name = this.#page.locator(".quick-input-list-row:first-child .label-name", {
      hasText: exactly(label),
    });
    return this.rows.filter({ has: name }).first();
  }

  async pick(label: string): Promise<void> {
    await this.row(label).click();
  }

  /** The labels of the rows in sight. */
  async labels(): Promise<string[]> {
    await this.rows.first().waitFor();
    return this.rows.locator(".quick-input-list-row:first-child .label-name").allInnerTexts();
  }

  /** Clicks a button of the title bar or one beside the input. */
  async button(name: string): Promise<void> {
    await this.widget
      .locator(".quick-input-titlebar, .quick-input-header")
      .getByRole("button", { name, exact: true })
      .click();
  }

  /** Escape. */
  async cancel(): Promise<void> {
    await this.input.press("Escape");
    await this.widget.waitFor({ state: "hidden" });
  }
}
