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
      ...(mappings.length > 0 || stored.length === 0 ? [plural(mappings.length, "mapping")] : []),
      ...(stored.length > 0 ? [plural(stored.length, "stored secret")] : []),
    ].join(", ");
    const { icon, summary } = ((): { icon: string; summary: string } => {
      if (team?.problem !== undefined) {
        return { icon: "error", summary: team.problem };
      }
      if (gateway.kind === "restarting") {
        return { icon: "sync~spin", summary: "the gateway is being restarted" };
      }
      if (account.kind === "none" && (mappings.length > 0 || stored.length === 0)) {
        return { icon: "debug-disconnect", summary: "1Password is not connected" };
      }
      if (gateway.kind === "stopped" && count > 0) {
        return { icon: "error", summary: "the gateway does not run" };
      }
      if (failing > 0) {
        return { icon: "warning", summary: `${failing} of ${counts} fail` };
      }
      return { icon: "key", summary: account.kind === "none" ? counts : `connected, ${counts}` };
    })();
    this.#item.text = `$(${icon}) OneCLI${count > 0 ? ` ${count}` : ""}${team === undefined ? "" : " (team)"}`;
    this.#item.accessibilityInformation = { label: `OneCLI: ${summary}` };
    this.#item.tooltip = this.#tooltip(summary);
  }

  #tooltip(summary: string): vscode.MarkdownString {
    const { account, team } = this.#session;
    const links = [
      account.kind === "none"
        ? "[Connect 1Password](command:onecli.account.connect)"
        : "[Add mapping](command:onecli.mapping.add)",
      "[Open dashboard](command:onecli.dashboard.open)",
      "[Show mappings](command:onecli.mappings.focus)",
      "[New terminal](command:onecli.terminal.open)",
      "[Show log](command:onecli.log.show)",
    ];
    const tooltip = new vscode.MarkdownString("**OneCLI**: ");
    if (team?.problem === undefined) {
      tooltip.appendMarkdown(summary);
    } else {
      tooltip.appendText(team.problem);
    }
    tooltip.appendMarkdown("\n\n");
    if (team !== undefined) {
      tooltip.appendText(`Team gateway: ${team.host}`).appendMarkdown("\n\n");
    }
    if (account.kind === "present" && account.name !== undefined) {
      tooltip.appendText(`Account: ${account.name}`).appendMarkdown("\n\n");
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

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
