// The integrated terminal in sight. Its text is in the document: "terminal.integrated.gpuAcceleration" is off.
import { type Locator, type Page } from "playwright-core";

export class TerminalPanel {
  readonly #page: Page;
  readonly #wrapper: Locator;
  readonly #rows: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.#wrapper = page.locator(".terminal-wrapper.active");
    this.#rows = this.#wrapper.locator(".xterm-rows");
  }

  /** Waits until the shell of a fresh terminal asks for its first command; one from before, still in sight, has said more. */
  async ready(): Promise<void> {
    await this.#rows.filter({ hasText: /^\s*\$\s*$/ }).waitFor();
  }

  /** Types a line and Enter. */
  async type(line: string): Promise<void> {
    await this.#wrapper.locator(".xterm-helper-textarea").focus();
    await this.#page.keyboard.type(line);
    await this.#page.keyboard.press("Enter");
  }

  /**
   * Waits until the text is on the screen; a break of the line in it does no harm. What is typed is on the screen as well:
   * wait for something that the shell has computed (`echo "is [$NAME]"`).
   */
  async waitForText(text: string | RegExp): Promise<void> {
    await this.#rows.filter({ hasText: text }).waitFor();
  }

  /** The lines on the screen. */
  async text(): Promise<string> {
    const lines = await this.#rows.locator("> div").allInnerTexts();
    return lines
      .map((line) => line.replaceAll("\u00a0", " ").trimEnd())
      .join("\n")
      .trimEnd();
  }
}
