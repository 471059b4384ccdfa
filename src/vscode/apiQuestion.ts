import * as vscode from "vscode";
import type { Question, Verdict } from "./apiWrites.ts";

const verdicts = (): readonly (readonly [string, Verdict])[] => [
  // First, because Enter presses the first: the question may come up while somebody is typing.
  [vscode.l10n.t("No"), "no"],
  [vscode.l10n.t("Once"), "once"],
  [vscode.l10n.t("Always for This Host"), "always"],
];

/** A modal dialog; whatever closes it without an answer is a no. */
export async function askPerson({ message, detail, canRemember }: Question): Promise<Verdict> {
  const offered = verdicts().filter(([, verdict]) => canRemember || verdict !== "always");
  const answer = await vscode.window.showWarningMessage(
    message,
    { modal: true, detail },
    ...offered.map(([title]) => title),
  );
  return offered.find(([title]) => title === answer)?.[1] ?? "no";
}

export function tellTooLate(): void {
  void vscode.window.showInformationMessage(
    vscode.l10n.t("That came too late: the program was told no after 60 seconds, and nothing was changed."),
  );
}
