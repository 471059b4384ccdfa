// A VS Code with the packaged extension, the probe beside it, and a world around them. The world and the browser live in
// the benchmark's processes: what is measured in the extension host is the extension's own.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startWorld, type World } from "../../test/demo/world.ts";
import { Cleanup } from "../../test/support/vscode/cleanup.ts";
import { DashboardView } from "../../test/support/vscode/dashboardView.ts";
import { installVsix } from "../../test/support/vscode/host.ts";
import { bundleFolder } from "../../test/support/vscode/paths.ts";
import { Session } from "../../test/support/vscode/session.ts";
import { type Workbench } from "../../test/support/vscode/workbench.ts";
import { packageProbe, type Probe, ProbeListener } from "./probe.ts";
import { socketVariable } from "./protocol.ts";

/** Mapped while requests flow. */
export const mappedHost = "api.anthropic.com";
const choices = ["API Keys", "Anthropic", "credential", "x-api-key: {value}"];

interface Parts {
  readonly world: World;
  readonly session: Session;
  readonly listener: ProbeListener;
  readonly probe: Probe;
  readonly folder: string;
  readonly profiles: string | undefined;
  readonly cleanup: Cleanup;
}

export class Editor {
  readonly world: World;
  /** Of the extension host that runs. */
  probe: Probe;
  readonly #workbench: Workbench;
  readonly #dashboard: DashboardView;
  readonly #listener: ProbeListener;
  readonly #folder: string;
  readonly #profiles: string | undefined;
  readonly #cleanup: Cleanup;

  private constructor(parts: Parts) {
    this.world = parts.world;
    this.probe = parts.probe;
    this.#workbench = parts.session.workbench;
    this.#dashboard = new DashboardView(this.#workbench.page);
    this.#listener = parts.listener;
    this.#folder = parts.folder;
    this.#profiles = parts.profiles;
    this.#cleanup = parts.cleanup;
  }

  /**
   * @param vsix the extension as it is published
   * @param profiles folder for CPU profiles of the main thread; without it none are taken
   */
  static async start(vsix: string, profiles?: string): Promise<Editor> {
    const cleanup = new Cleanup();
    try {
      const folder = await mkdtemp(join(tmpdir(), "onecli-bench-"));
      cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
      const world = await startWorld();
      cleanup.defer(() => world.stop());
      const socket = join(folder, "probe.sock");
      const listener = await ProbeListener.listen(socket);
      cleanup.defer(() => listener.close());
      const workDir = join(folder, "vscode");
      await installVsix(workDir, await packageProbe());
      await writeFile(join(folder, "ca.pem"), world.authority);
      const next = listener.next();
      const session = await Session.start({
        workDir,
        vsix,
        artifacts: join(bundleFolder, "bench"),
        env: { [socketVariable]: socket },
        settings: {
          "onecli.parentProxy": world.parent.url,
          "onecli.extraCaCertificates": [join(folder, "ca.pem")],
        },
      });
      cleanup.defer(() => session.stop());
      return new Editor({ world, session, listener, probe: await next, folder, profiles, cleanup });
    } catch (error) {
      await cleanup.run();
      throw error;
    }
  }

  /** Another extension host, whose first command has to be the activation. */
  async reload(): Promise<void> {
    const next = this.#listener.next();
    await this.#workbench.reload();
    this.probe = await next;
  }

  /** Does `work`, with a profile of that name where profiles are wanted. */
  profile<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#profiles === undefined
      ? work()
      : this.probe.profile(join(this.#profiles, `${name}.cpuprofile`), work);
  }

  /** Types the token; the function that it returns sends it off, and ends when the account is connected. */
  async typeToken(): Promise<() => Promise<void>> {
    await this.#workbench.runCommand("OneCLI: Connect 1Password");
    const box = await this.#workbench.quickInput("Connect 1Password");
    await box.type(this.world.service.token);
    return async () => {
      await box.accept();
      await this.#workbench.notification("Connected to local test service");
    };
  }

  async disconnect(): Promise<void> {
    await this.#workbench.runCommand("OneCLI: Disconnect 1Password");
    const dialog = this.#workbench.page.locator(".monaco-dialog-box", { hasText: "Disconnect 1Password?" });
    await dialog.getByRole("button", { name: "Disconnect", exact: true }).click();
    await this.#workbench.notification("1Password is disconnected");
    await this.#workbench.clearNotifications();
  }

  async addMapping(): Promise<void> {
    await this.#workbench.runCommand("OneCLI: Add Mapping…");
    await this.#pick("Add Mapping", "Anthropic");
    for (const choice of choices) {
      await this.#pick(`Add Mapping: ${mappedHost}`, choice);
    }
    await this.#workbench.notification(`${mappedHost} is mapped`);
    await this.#workbench.clearNotifications();
  }

  async #pick(title: string, row: string): Promise<void> {
    const box = await this.#workbench.quickInput(title);
    await box.row(row).waitFor();
    await box.pick(row);
  }

  /** The variables of a program in a terminal of this editor. */
  async terminalEnvironment(): Promise<NodeJS.ProcessEnv> {
    const terminal = await this.#workbench.terminal();
    const file = join(this.#folder, "environment");
    await terminal.type(`env -0 > ${file}; clear; echo written-$?`);
    await terminal.waitForText("written-0");
    await this.#workbench.runCommand("View: Toggle Terminal");
    const lines = (await readFile(file, "utf8")).split("\0").filter((line) => line.includes("="));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  /** Opens the dashboard and a file in front of it. */
  async openEditors(): Promise<void> {
    await this.showDashboard();
    await this.#workbench.runCommand("File: New Untitled Text File");
    await this.#dashboard.frame.locator("main").waitFor({ state: "detached" });
  }

  async showDashboard(): Promise<void> {
    await this.#workbench.runCommand("OneCLI: Open Dashboard");
    await this.#dashboard.ready();
  }

  async hideDashboard(): Promise<void> {
    await this.#workbench.page.locator('.tab[aria-label^="Untitled-1"]').click();
    await this.#dashboard.frame.locator("main").waitFor({ state: "detached" });
  }

  async stop(): Promise<void> {
    await this.#cleanup.run();
  }
}
