// The workbench as a test sees it. Every method waits for what it names; nothing sleeps.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Locator, type Page } from "playwright-core";
import { type VsCodeServer, workbenchUrl } from "./host.ts";
import { QuickInput } from "./quickInput.ts";
import { TerminalPanel } from "./terminalPanel.ts";
import { TreeView } from "./treeView.ts";
import { patience, untilThere } from "./untilThere.ts";

/** The built-in themes, by the class that the workbench gets. */
const themes = {
  "Light Modern": "vscode-theme-defaults-themes-light_modern-json",
  "Dark Modern": "vscode-theme-defaults-themes-dark_modern-json",
  "Light High Contrast": "vscode-theme-defaults-themes-hc_light-json",
  "Dark High Contrast": "vscode-theme-defaults-themes-hc_black-json",
} as const;
export type ColorTheme = keyof typeof themes;
export const colorThemes = Object.keys(themes) as readonly ColorTheme[];

export class Workbench {
  readonly page: Page;
  readonly #server: VsCodeServer;
  readonly #artifacts: string;

  /** @param artifacts folder for screenshots */
  constructor(page: Page, server: VsCodeServer, artifacts: string) {
    this.page = page;
    this.#server = server;
    this.#artifacts = artifacts;
    page.setDefaultTimeout(patience);
  }

  /** Opens a folder; no folder without one. */
  async open(folder?: string): Promise<void> {
    await this.page.goto(workbenchUrl(this.#server, folder === undefined ? {} : { folder }));
    await this.ready();
  }

  /** Waits until the workbench is laid out. The extension host may be still starting. */
  async ready(): Promise<void> {
    await this.page.locator(".monaco-workbench .statusbar-item:visible").first().waitFor();
  }

  /** Reloads the window as its user does, after which everything it has to keep is kept. */
  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent("load");
    await this.runCommand("Developer: Reload Window");
    await loaded;
    await this.ready();
  }

  /** Runs a command by its title in the palette. */
  async runCommand(title: string): Promise<void> {
    const palette = new QuickInput(this.page);
    // The list is not refreshed while it is open: a command that comes later needs another look.
    await untilThere(async () => {
      try {
        await this.page.keyboard.press("F1");
        await palette.input.waitFor({ timeout: 3000 });
        // A box that is closing takes no text: soon it is gone, and the next attempt opens another.
        await palette.input.fill(`>${title}`, { timeout: 3000 });
        await palette.row(title).click({ timeout: 1500 });
      } catch (error) {
        await this.page.keyboard.press("Escape");
        throw error;
      }
    });
  }

  /** The box of an input or a pick that an extension asks for, once it is there. */
  async quickInput(title: string): Promise<QuickInput> {
    const box = new QuickInput(this.page);
    await box.waitForTitle(title);
    return box;
  }

  /** A notification with this text, popped up or in the notification center, which opens if need be. */
  async notification(text: string): Promise<Locator> {
    const message = this.page.locator(".notification-list-item-message", { hasText: text });
    const item = this.page.locator(".notification-list-item:visible", { has: message }).first();
    await untilThere(async () => {
      try {
        await item.waitFor({ timeout: 2000 });
      } catch (error) {
        if (!(await this.page.locator(".notifications-center.visible").isVisible())) {
          await this.page.locator('.statusbar-item[id="status.notifications"]').click();
        }
        throw error;
      }
    });
    return item;
  }

  async clickNotification(text: string, button: string): Promise<void> {
    const item = await this.notification(text);
    await item.getByRole("button", { name: button, exact: true }).click();
  }

  /** Leaves no notification that the next could be mistaken for. */
  async clearNotifications(): Promise<void> {
    await this.runCommand("Notifications: Clear All Notifications");
    await this.page.locator(".notification-list-item:visible").first().waitFor({ state: "hidden" });
  }

  /** A view that is in sight, by its name. */
  tree(view: string): TreeView {
    return new TreeView(this.page, view);
  }

  /**
   * Brings a view in sight, by its name and that of the container it is in. By its command: a click on the
   * container's tab hides a side bar that the workbench is just about to restore.
   */
  async openView(container: string, view: string): Promise<TreeView> {
    const tree = this.tree(view);
    const closed = tree.pane.locator('.pane-header[aria-expanded="false"]:visible');
    if (!(await tree.pane.isVisible()) || (await closed.isVisible())) {
      await this.runCommand(`${container}: Focus on ${view} View`);
      await tree.pane.waitFor();
    }
    return tree;
  }

  /** An item of the status bar that shows this text, once it does. */
  async statusBarItem(text: string): Promise<Locator> {
    const item = this.page.locator(".statusbar-item:visible", { hasText: text }).first();
    await item.waitFor();
    return item;
  }

  /** Opens a new terminal. */
  async terminal(): Promise<TerminalPanel> {
    await this.runCommand("Terminal: Create New Terminal");
    const terminal = new TerminalPanel(this.page);
    await terminal.ready();
    return terminal;
  }

  async setColorTheme(theme: ColorTheme): Promise<void> {
    await this.runCommand("Preferences: Color Theme");
    const box = new QuickInput(this.page);
    await box.type(theme);
    await box.pick(theme);
    await this.page.locator(`.monaco-workbench.${themes[theme]}`).waitFor();
    await box.widget.waitFor({ state: "hidden" });
  }

  /** @returns the path of the picture */
  async screenshot(name: string): Promise<string> {
    await mkdir(this.#artifacts, { recursive: true });
    const path = join(this.#artifacts, `${name}.png`);
    await this.page.screenshot({ path, animations: "disabled", caret: "hide" });
    return path;
  }
}
