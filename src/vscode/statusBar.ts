import * as vscode from "vscode";
import type { Session } from "./session.ts";

const priority = 50;

/** One item: connected, how many mappings, and whether something is wrong. */
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
    this.#item.command = "onecli.mappings.focus";
    this.#subscription = session.onDidChange(() => this.#update());
    this.#update();
    this.#item.show();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#item.dispose();
  }

  #update(): void {
    const { account, entries, gateway } = this.#session;
    const enabled = entries.filter((entry) => entry.enabled);
    const failing = enabled.filter((entry) => this.#session.stateOf(entry).kind === "error");
    const count = enabled.length;
    const { icon, summary } = ((): { icon: string; summary: string } => {
      if (gateway.kind === "restarting") {
        return { icon: "sync~spin", summary: "the gateway is being restarted" };
      }
      if (account.kind === "none") {
        return { icon: "debug-disconnect", summary: "1Password is not connected" };
      }
      if (gateway.kind === "stopped" && count > 0) {
        return { icon: "error", summary: "the gateway does not run" };
      }
      return failing.length > 0
        ? { icon: "warning", summary: `${failing.length} of ${plural(count)} fail` }
        : { icon: "key", summary: `connected, ${plural(count)}` };
    })();
    this.#item.text = `$(${icon}) OneCLI${count > 0 ? ` ${count}` : ""}`;
    this.#item.accessibilityInformation = { label: `OneCLI: ${summary}` };
    this.#item.tooltip = this.#tooltip(summary);
  }

  #tooltip(summary: string): vscode.MarkdownString {
    const { account } = this.#session;
    const links = [
      account.kind === "none"
        ? "[Connect 1Password](command:onecli.account.connect)"
        : "[Add mapping](command:onecli.mapping.add)",
      "[Show mappings](command:onecli.mappings.focus)",
      "[New terminal](command:onecli.terminal.open)",
      "[Show log](command:onecli.log.show)",
    ];
    const tooltip = new vscode.MarkdownString(`**OneCLI**: ${summary}\n\n`);
    if (account.kind === "present" && account.name !== undefined) {
      tooltip.appendText(`Account: ${account.name}`).appendMarkdown("\n\n");
    }
    tooltip.appendMarkdown(links.join(" · "));
    tooltip.isTrusted = {
      enabledCommands: [
        "onecli.account.connect",
        "onecli.mapping.add",
        "onecli.mappings.focus",
        "onecli.terminal.open",
        "onecli.log.show",
      ],
    };
    return tooltip;
  }
}

function plural(count: number): string {
  return count === 1 ? "1 mapping" : `${count} mappings`;
}
