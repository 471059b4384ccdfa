import * as vscode from "vscode";
import type { Session } from "./session.ts";

const priority = 50;

/** One item: connected, how many mappings and stored secrets, and whether something is wrong. */
export class StatusBar implements vscode.Disposable {
  readonly #session: Session;
  readonly #item = vscode.window.createStatusBarItem(
    "onecli.status",
    vscode.StatusBarAlignment.Left,
    priority,
  );
  readonly #subscription: vscode.Disposable;

  constructor(session: Session) {
    this.#session = session;
    this.#item.name = "OneCLI";
    this.#item.command = "onecli.dashboard.open";
    this.#subscription = session.onDidChange(() => this.#update());
    this.#update();
    this.#item.show();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#item.dispose();
  }

  #update(): void {
    const { account, gateway, team } = this.#session;
    const mappings = this.#session.entries.filter((entry) => entry.enabled);
    const stored = this.#session.storedSecrets.filter((entry) => entry.enabled);
    const failing = [...stored, ...mappings].filter(
      (entry) => this.#session.stateOf(entry).kind === "error",
    ).length;
    const count = stored.length + mappings.length;
    const counts = [
      ...(mappings.length > 0 || stored.length === 0 ? [mappingCount(mappings.length)] : []),
      ...(stored.length > 0 ? [storedCount(stored.length)] : []),
    ].join(", ");
    const { icon, summary } = ((): { icon: string; summary: string } => {
      if (team?.problem !== undefined) {
        return { icon: "error", summary: team.problem };
      }
      if (gateway.kind === "restarting") {
        return { icon: "sync~spin", summary: vscode.l10n.t("the gateway is being restarted") };
      }
      if (account.kind === "none" && (mappings.length > 0 || stored.length === 0)) {
        return { icon: "debug-disconnect", summary: vscode.l10n.t("1Password is not connected") };
      }
      if (gateway.kind === "stopped" && count > 0) {
        return { icon: "error", summary: vscode.l10n.t("the gateway does not run") };
      }
      if (failing > 0) {
        return { icon: "warning", summary: vscode.l10n.t("{0} of {1} fail", failing, counts) };
      }
      return {
        icon: "key",
        summary: account.kind === "none" ? counts : vscode.l10n.t("connected, {0}", counts),
      };
    })();
    this.#item.text = `$(${icon}) OneCLI${count > 0 ? ` ${count}` : ""}${team === undefined ? "" : ` ${vscode.l10n.t("(team)")}`}`;
    this.#item.accessibilityInformation = { label: `OneCLI: ${summary}` };
    this.#item.tooltip = this.#tooltip(summary);
  }

  #tooltip(summary: string): vscode.MarkdownString {
    const { account, team } = this.#session;
    const links = [
      account.kind === "none"
        ? `[${vscode.l10n.t("Connect 1Password")}](command:onecli.account.connect)`
        : `[${vscode.l10n.t("Add mapping")}](command:onecli.mapping.add)`,
      `[${vscode.l10n.t("Open dashboard")}](command:onecli.dashboard.open)`,
      `[${vscode.l10n.t("Show mappings")}](command:onecli.mappings.focus)`,
      `[${vscode.l10n.t("New terminal")}](command:onecli.terminal.open)`,
      `[${vscode.l10n.t("Show log")}](command:onecli.log.show)`,
    ];
    const tooltip = new vscode.MarkdownString("**OneCLI**: ");
    if (team?.problem === undefined) {
      tooltip.appendMarkdown(summary);
    } else {
      tooltip.appendText(team.problem);
    }
    tooltip.appendMarkdown("\n\n");
    if (team !== undefined) {
      tooltip.appendText(vscode.l10n.t("Team gateway: {0}", team.host)).appendMarkdown("\n\n");
    }
    if (account.kind === "present" && account.name !== undefined) {
      tooltip.appendText(vscode.l10n.t("Account: {0}", account.name)).appendMarkdown("\n\n");
    }
    const { apiPort } = this.#session;
    if (apiPort !== undefined) {
      tooltip.appendText(`API: http://127.0.0.1:${apiPort}`).appendMarkdown("\n\n");
    }
    tooltip.appendMarkdown(links.join(" · "));
    tooltip.isTrusted = {
      enabledCommands: [
        "onecli.account.connect",
        "onecli.mapping.add",
        "onecli.dashboard.open",
        "onecli.mappings.focus",
        "onecli.terminal.open",
        "onecli.log.show",
      ],
    };
    return tooltip;
  }
}

function mappingCount(count: number): string {
  return count === 1 ? vscode.l10n.t("1 mapping") : vscode.l10n.t("{0} mappings", count);
}

function storedCount(count: number): string {
  return count === 1 ? vscode.l10n.t("1 stored secret") : vscode.l10n.t("{0} stored secrets", count);
}
