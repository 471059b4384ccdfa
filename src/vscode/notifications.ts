import * as vscode from "vscode";
import { describeError, type ErrorCode } from "../core/errors.ts";
import { findService } from "../core/serviceRules.ts";
import { coreText } from "./l10n.ts";

/** A button and the command behind it. */
export interface Action {
  readonly title: string;
  readonly command: string;
  readonly arguments?: readonly unknown[];
}

export function openSetting(name: string): Action {
  return {
    title: vscode.l10n.t("Open Setting"),
    command: "workbench.action.openSettings",
    arguments: [name],
  };
}

const connect = (): Action => ({
  title: vscode.l10n.t("Connect 1Password"),
  command: "onecli.account.connect",
});
const showMappings = (): Action => ({
  title: vscode.l10n.t("Show Mappings"),
  command: "onecli.mappings.focus",
});
const showLog = (): Action => ({ title: vscode.l10n.t("Show Log"), command: "onecli.log.show" });

/** What fixes which problem. A code that is not here needs no notification: the agent's answer says enough. */
const fixes: Partial<Record<ErrorCode, () => Action>> = {
  "not-connected": connect,
  "token-invalid": connect,
  "reference-not-found": showMappings,
  "reference-invalid": showMappings,
  "value-unusable": showMappings,
  "onepassword-rate-limited": showLog,
  "onepassword-unreachable": showLog,
  "upstream-certificate": () => openSetting("onecli.extraCaCertificates"),
};

/** After being closed, a notification of one code does not come again for so long, in milliseconds. */
const quietTime = 5 * 60_000;

export class Notifications {
  /** By error code, or by the service whose placeholder leaked. */
  readonly #quietUntil = new Map<string, number>();
  #restartQuietUntil = 0;

  /** Tells of a failed request, once per code, with the action that fixes it. */
  async requestFailed(code: ErrorCode, host: string): Promise<void> {
    const action = fixes[code];
    if (action !== undefined) {
      await this.#once(
        code,
        vscode.l10n.t(
          "A request to {0} was refused ({1}). {2}",
          host,
          code,
          coreText(describeError(code).hint),
        ),
        action(),
      );
    }
  }

  /** Tells of a placeholder on its way to a wrong host, once per service: the hosts could be any number. */
  async placeholderLeaked(service: string, host: string): Promise<void> {
    const name = findService(service)?.name ?? service;
    await this.#once(
      `placeholder ${service}`,
      vscode.l10n.t(
        "A terminal sent the placeholder of {0} to {1}. No secret was in it; with a real key there, {1} would have it.",
        name,
        host,
      ),
      showLog(),
    );
  }

  async #once(key: string, message: string, action: Action): Promise<void> {
    if ((this.#quietUntil.get(key) ?? 0) > Date.now()) {
      return;
    }
    this.#quietUntil.set(key, Infinity);
    await showWithActions("warning", message, [action]);
    this.#quietUntil.set(key, Date.now() + quietTime);
  }

  /** Tells once in a while that the gateway ended and comes back by itself. */
  gatewayRestarts(): void {
    if (this.#restartQuietUntil < Date.now()) {
      this.#restartQuietUntil = Date.now() + quietTime;
      const message = vscode.l10n.t(
        "The OneCLI gateway ended unexpectedly and is being restarted on the same port.",
      );
      void showWithActions("warning", message, [showLog()]);
    }
  }

  /** The cause is gone: the next failure is news again. */
  resolved(...codes: readonly ErrorCode[]): void {
    codes.forEach((code) => this.#quietUntil.delete(code));
  }
}

/** Notifications make links, to commands as well, of `[text](target)`; a message may quote a file that is not ours. */
function asText(message: string): string {
  return message.replaceAll("](", "] (");
}

type Show = (message: string, ...buttons: string[]) => Thenable<string | undefined>;

const show: Readonly<Record<"info" | "warning" | "error", Show>> = {
  info: (message, ...buttons) => vscode.window.showInformationMessage(message, ...buttons),
  warning: (message, ...buttons) => vscode.window.showWarningMessage(message, ...buttons),
  error: (message, ...buttons) => vscode.window.showErrorMessage(message, ...buttons),
};

/** Shows a message with buttons and runs the command of the one that is pressed. */
export async function showWithActions(
  kind: keyof typeof show,
  message: string,
  actions: readonly Action[],
): Promise<void> {
  const pressed = await show[kind](asText(message), ...actions.map(({ title }) => title));
  const action = actions.find(({ title }) => title === pressed);
  if (action !== undefined) {
    await vscode.commands.executeCommand(action.command, ...(action.arguments ?? []));
  }
}
