// One VS Code with a browser on it, as an end-to-end test uses it: the extension is installed from its .vsix.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type BrowserContext } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { installVsix, startVsCode, type VsCodeOptions, type VsCodeServer } from "./host.ts";
import { Workbench } from "./workbench.ts";

export interface SessionOptions extends Omit<VsCodeOptions, "driver" | "port"> {
  readonly vsix: string;
  /** The folder to open; `workDir/workspace` without it. */
  readonly folder?: string;
  /** Folder for screenshots. */
  readonly artifacts: string;
}

export class Session {
  readonly workbench: Workbench;
  readonly folder: string;
  readonly #options: SessionOptions;
  readonly #browser: BrowserContext;
  #server: VsCodeServer;

  private constructor(
    options: SessionOptions,
    server: VsCodeServer,
    browser: BrowserContext,
    folder: string,
  ) {
    this.#options = options;
    this.#server = server;
    this.#browser = browser;
    this.folder = folder;
    this.workbench = new Workbench(browser.pages()[0]!, server, options.artifacts);
  }

  static async start(options: SessionOptions): Promise<Session> {
    const { workDir, vsix, folder = join(workDir, "workspace") } = options;
    await mkdir(folder, { recursive: true });
    await installVsix(workDir, vsix);
    const server = await startVsCode(options);
    try {
      const browser = await launchBrowser(join(workDir, "profile"));
      const session = new Session(options, server, browser, folder);
      await session.workbench.open(folder);
      return session;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** What the server has said since it started. */
  get log(): string {
    return this.#server.log;
  }

  /** Ends the server with its extension host and terminals and starts it anew, as after a restart of the machine. */
  async restart(): Promise<void> {
    const { port } = this.#server;
    // Away from the page first, which otherwise keeps trying to connect.
    await this.workbench.page.goto("about:blank");
    await this.#server.stop();
    this.#server = await startVsCode({ ...this.#options, port });
    await this.workbench.open(this.folder);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#server.stop();
  }
}
