import * as vscode from "vscode";
import { type Action, showWithActions } from "../notifications.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";

export const openApiSettings = (): Action => ({
  title: vscode.l10n.t("Open Settings"),
  command: "workbench.action.openSettings",
  arguments: ["onecli.api"],
});

/** Puts the token of the management API on the clipboard, and says where the API listens. */
export async function copyApiToken(session: Session): Promise<void> {
  try {
    const access = await session.apiAccess();
    if (access === undefined) {
      const message = vscode.l10n.t(
        "The API is off, or its port cannot be had: see onecli.api.enabled and onecli.api.port.",
      );
      void showWithActions("warning", message, [openApiSettings()]);
      return;
    }
    await vscode.env.clipboard.writeText(access.token);
    void vscode.window.showInformationMessage(
      vscode.l10n.t(
        "The API's token is on the clipboard. The API of this window listens on {0}.",
        access.url,
      ),
    );
  } catch (error) {
    void showWithActions("error", vscode.l10n.t("The API cannot be reached. {0}", explain(error)), []);
  }
}
