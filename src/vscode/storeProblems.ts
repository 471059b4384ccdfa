// What the person is told where something that is stored cannot be read.
import * as vscode from "vscode";
import type { StoreProblem } from "./mappingStore.ts";
import { showWithActions } from "./notifications.ts";
import type { StoredSecretProblem } from "./storedSecretStore.ts";

export function reportMappingProblem(problem: StoreProblem | undefined): void {
  switch (problem?.kind) {
    case "future":
      warn(
        vscode.l10n.t(
          "The mappings of this workspace were written by a later version of OneCLI. They are left alone; update OneCLI to use them.",
        ),
      );
      break;
    case "broken": {
      const { length: count, 0: reason = "" } = problem.messages;
      warn(
        count === 1
          ? vscode.l10n.t("1 mapping of this workspace cannot be read and is kept aside: {0}.", reason)
          : vscode.l10n.t(
              "{0} mappings of this workspace cannot be read and are kept aside: {1}.",
              count,
              reason,
            ),
      );
      break;
    }
    case undefined:
      break;
  }
}

export function reportStoredSecretProblem(problem: StoredSecretProblem | undefined): void {
  switch (problem?.kind) {
    case "future":
      warn(
        vscode.l10n.t(
          "The stored secrets of this workspace were written by a later version of OneCLI. They are left alone; update OneCLI to use them.",
        ),
      );
      break;
    case "unopenable":
      warn(
        vscode.l10n.t(
          "The stored secrets of this workspace cannot be opened any more: their key file is gone or another one. They are kept aside; add them again to use them.",
        ),
      );
      break;
    case "broken": {
      const { length: count, 0: reason = "" } = problem.messages;
      warn(
        count === 1
          ? vscode.l10n.t("1 stored secret of this workspace cannot be read and is kept aside: {0}.", reason)
          : vscode.l10n.t(
              "{0} stored secrets of this workspace cannot be read and are kept aside: {1}.",
              count,
              reason,
            ),
      );
      break;
    }
    case undefined:
      break;
  }
}

function warn(message: string): void {
  void showWithActions("warning", message, []);
}
