import * as vscode from "vscode";
import { sessionMarker } from "../core/terminalEnvironment.ts";
import type { Settings } from "./settings.ts";
import type { Terminals } from "./terminals.ts";

/** Terminals from before the gateway had to take another port: their address leads nowhere. */
export class StaleTerminals {
  readonly #settings: () => Settings;
  readonly #terminals: () => Terminals;

  constructor(settings: () => Settings, terminals: () => Terminals) {
    this.#settings = settings;
    this.#terminals = terminals;
  }

  /** Says how many there are, and opens a new one in the place of each if the person wants it. */
  announce(): void {
    const { terminals: setting } = this.#settings();
    const stale = vscode.window.terminals.filter(
      (terminal) => isOfProfile(terminal) || (setting === "all" && hasProcess(terminal)),
    );
    if (setting === "off" || stale.length === 0) {
      return;
    }
    const relaunch = vscode.l10n.t("Relaunch");
    void vscode.window
      .showWarningMessage(
        stale.length === 1
          ? vscode.l10n.t(
              "1 terminal has the address of a gateway that is gone: its port was taken by another program. Programs in it cannot use your secrets.",
            )
          : vscode.l10n.t(
              "{0} terminals have the address of a gateway that is gone: its port was taken by another program. Programs in them cannot use your secrets.",
              stale.length,
            ),
        relaunch,
      )
      .then(async (answer) => {
        for (const terminal of answer === relaunch ? stale : []) {
          await this.#relaunch(terminal);
        }
      });
  }

  async #relaunch(terminal: vscode.Terminal): Promise<void> {
    const { creationOptions } = terminal;
    if (isOfProfile(terminal)) {
      // Its options hold the old address.
      await this.#terminals().open();
    } else if (!("pty" in creationOptions)) {
      vscode.window.createTerminal(creationOptions);
    }
    terminal.dispose();
  }
}

function hasProcess({ creationOptions }: vscode.Terminal): boolean {
  return !("pty" in creationOptions);
}

function isOfProfile({ creationOptions }: vscode.Terminal): boolean {
  return !("pty" in creationOptions) && sessionMarker in (creationOptions.env ?? {});
}
