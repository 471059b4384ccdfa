// The variables of integrated terminals.
import * as vscode from "vscode";
import type { TerminalEnvironment } from "../core/terminalEnvironment.ts";

const profileId = "onecli.terminal";

export class Terminals implements vscode.Disposable {
  readonly #collection: vscode.EnvironmentVariableCollection;
  readonly #provider: vscode.Disposable;
  readonly #ensure: () => Promise<TerminalEnvironment | undefined>;
  #applied: Readonly<Record<string, string>> = {};

  /** @param ensure starts what a terminal of the profile needs; undefined where that is not possible. */
  constructor(
    collection: vscode.EnvironmentVariableCollection,
    ensure: () => Promise<TerminalEnvironment | undefined>,
  ) {
    this.#collection = collection;
    this.#ensure = ensure;
    // The values hold a port and a password that mean nothing to another window.
    collection.persistent = false;
    collection.description = new vscode.MarkdownString(
      `${vscode.l10n.t("Programs in this terminal reach mapped hosts through the OneCLI gateway, which adds the secret.")} [${vscode.l10n.t("Show the mappings")}](command:onecli.mappings.focus)`,
    );
    collection.clear();
    this.#provider = vscode.window.registerTerminalProfileProvider(profileId, {
      provideTerminalProfile: async () => new vscode.TerminalProfile(await this.#profile()),
    });
  }

  /** Sets the variables of all terminals to come, or withdraws them. */
  apply(environment: TerminalEnvironment | undefined): void {
    const wanted = environment === undefined ? {} : variables(environment);
    for (const name of Object.keys(this.#applied)) {
      if (!(name in wanted)) {
        this.#collection.delete(name);
      }
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (this.#applied[name] !== value) {
        this.#collection.replace(name, value, {
          applyAtProcessCreation: true,
          applyAtShellIntegration: true,
        });
      }
    }
    this.#applied = wanted;
  }

  async open(): Promise<vscode.Terminal> {
    const terminal = vscode.window.createTerminal(await this.#profile());
    terminal.show();
    return terminal;
  }

  /**
   * A terminal like those that the person opens; where they have no variables (yet), one like those of the profile.
   * Undefined where the settings leave terminals alone.
   */
  async openForDoctor(): Promise<vscode.Terminal | undefined> {
    const named = { name: "OneCLI Doctor", iconPath: new vscode.ThemeIcon("pulse") };
    let options: vscode.TerminalOptions = named;
    if (Object.keys(this.#applied).length === 0) {
      const profile = await this.#profile();
      if (profile.env === undefined) {
        return undefined;
      }
      options = { ...profile, ...named };
    }
    const terminal = vscode.window.createTerminal(options);
    terminal.show();
    return terminal;
  }

  dispose(): void {
    this.apply(undefined);
    this.#provider.dispose();
  }

  async #profile(): Promise<vscode.TerminalOptions> {
    const environment = await this.#ensure();
    return {
      name: "OneCLI",
      iconPath: new vscode.ThemeIcon("key"),
      ...(environment !== undefined && {
        env: { ...Object.fromEntries(environment.unset.map((name) => [name, null])), ...environment.set },
      }),
    };
  }
}

/** A collection cannot unset; an empty value counts as none for the variables that are unset. */
function variables({ set, unset }: TerminalEnvironment): Record<string, string> {
  const present = unset.filter((name) => (process.env[name] ?? "") !== "");
  return { ...Object.fromEntries(present.map((name) => [name, ""])), ...set };
}
