// The dashboard in the workbench: a page in a frame in a frame.
import { type FrameLocator, type Locator, type Page } from "playwright-core";

/** Runs in the page. */
declare function acquireVsCodeApi(): { postMessage(message: unknown): void };

export class DashboardView {
  readonly frame: FrameLocator;
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
    this.frame = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  }

  /** Lets `post` speak for pages that load from now on: VS Code gives its channel to a page once. */
  async shareChannel(): Promise<void> {
    await this.#page.addInitScript(`
      Object.defineProperty(globalThis, "acquireVsCodeApi", {
        configurable: true,
        set(acquire) {
          let channel;
          const value = () => (channel ??= acquire());
          Object.defineProperty(globalThis, "acquireVsCodeApi", { configurable: true, value });
        },
      });`);
  }

  /** Sends the host anything, by the channel of the page. */
  async post(message: unknown): Promise<void> {
    await this.frame
      .locator("body")
      .evaluate((_body, text) => acquireVsCodeApi().postMessage(JSON.parse(text)), JSON.stringify(message));
  }

  /** Waits until the page shows what the host has said. */
  async ready(): Promise<void> {
    await this.frame.locator("main").waitFor();
  }

  /** The tabs that it has in the editor. */
  get tabs(): Locator {
    return this.#page.locator(
      '.tab[data-resource-name="OneCLI Dashboard"], .tab[aria-label^="OneCLI Dashboard"]',
    );
  }

  /** A row of one of the two tables, by a text in it. */
  row(table: "Mappings and stored secrets" | "Requests, the latest first", text: string): Locator {
    return this.frame
      .getByRole("grid", { name: table })
      .locator('[role="row"][data-key]')
      .filter({ hasText: text })
      .first();
  }

  button(name: string): Locator {
    return this.frame.getByRole("button", { name, exact: true });
  }
}
