import * as vscode from "vscode";
import { isOneCliError } from "../../core/errors.ts";
import { parseServiceAccountToken } from "../../core/serviceAccountToken.ts";
import type { ConnectResult } from "../../shared/gatewayProtocol.ts";
import { coreText } from "../l10n.ts";
import { showWithActions } from "../notifications.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";

/** Far more than a token has; a longer text is something else, and not worth decoding at every key. */
const maxLength = 8_192;

/** Asks for a token, checks it against 1Password and keeps it. */
export async function connectAccount(session: Session): Promise<boolean> {
  const token = await vscode.window.showInputBox({
    title:
      session.account.kind === "none"
        ? vscode.l10n.t("Connect 1Password")
        : vscode.l10n.t("Connect 1Password with Another Token"),
    prompt:
      session.team === undefined
        ? vscode.l10n.t("Paste the token of a 1Password Service Account. It is stored encrypted.")
        : vscode.l10n.t(
            "Paste the token of a 1Password Service Account. It is handed to the team gateway {0}, which uses it until it ends; it is not kept here.",
            session.team.host,
          ),
    placeHolder: "ops_…",
    password: true,
    ignoreFocusOut: true,
    validateInput: checkShape,
  });
  if (token === undefined) {
    return false;
  }
  return withProgress(session, (cancelled) => session.connect(token, cancelled));
}

/** Checks the stored token again: after a change in 1Password, or an outage. */
export async function reconnectAccount(session: Session): Promise<boolean> {
  return session.account.kind === "none" || session.team !== undefined
    ? connectAccount(session)
    : withProgress(session, (cancelled) => session.reconnect(cancelled));
}

type Connect = (cancelled: () => boolean) => Promise<ConnectResult | undefined>;

async function withProgress(session: Session, connect: Connect): Promise<boolean> {
  try {
    return await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: vscode.l10n.t("Connecting to 1Password…"),
        cancellable: true,
      },
      (_progress, cancellation) => report(session, connect, cancellation),
    );
  } catch (error) {
    const retry = { title: vscode.l10n.t("Try Again"), command: "onecli.account.connect" };
    const log = { title: vscode.l10n.t("Show Log"), command: "onecli.log.show" };
    void showWithActions("error", vscode.l10n.t("1Password was not connected. {0}", explain(error)), [
      retry,
      log,
    ]);
    return false;
  }
}

async function report(
  session: Session,
  connect: Connect,
  cancellation: vscode.CancellationToken,
): Promise<boolean> {
  const cancelled = new Promise<undefined>((resolve) => {
    cancellation.onCancellationRequested(() => resolve(undefined));
  });
  const connecting = connect(() => cancellation.isCancellationRequested);
  // What comes after Cancel is undone by the session and of no interest here.
  connecting.catch(() => undefined);
  const result = await Promise.race([connecting, cancelled]);
  if (result === undefined) {
    return false;
  }
  const add = { title: vscode.l10n.t("Add Mapping"), command: "onecli.mapping.add" };
  void showWithActions(
    "info",
    result.vaults === 1
      ? vscode.l10n.t("Connected to {0}: 1 vault.", result.account)
      : vscode.l10n.t("Connected to {0}: {1} vaults.", result.account, result.vaults),
    session.entries.length === 0 ? [add] : [],
  );
  if (result.vaults === 0) {
    void showWithActions(
      "warning",
      vscode.l10n.t("The service account sees no vault. Grant it read access in 1Password."),
      [],
    );
  }
  return true;
}

function checkShape(text: string): string | undefined {
  if (text.trim() === "") {
    return vscode.l10n.t("Paste the token.");
  }
  if (text.length > maxLength) {
    return vscode.l10n.t("This is longer than any token: paste the token alone.");
  }
  try {
    parseServiceAccountToken(text);
    return undefined;
  } catch (error) {
    return isOneCliError(error) ? coreText(error.message) : vscode.l10n.t("This is no token.");
  }
}

export async function disconnectAccount(session: Session): Promise<void> {
  const yes = vscode.l10n.t("Disconnect");
  const { team } = session;
  const answer = await vscode.window.showWarningMessage(
    team === undefined
      ? vscode.l10n.t(
          "Disconnect 1Password? The token and every cached value are removed. In terminals that are open mapped hosts are refused; new terminals go without OneCLI until you connect again, unless there are stored secrets.",
        )
      : vscode.l10n.t(
          "Disconnect the team gateway {0} from 1Password? Mapped hosts are refused to everybody who uses it.",
          team.host,
        ),
    { modal: true },
    yes,
  );
  if (answer === yes) {
    await session.disconnect();
    void vscode.window.showInformationMessage(
      team === undefined
        ? vscode.l10n.t("1Password is disconnected. The token has been removed.")
        : vscode.l10n.t("The team gateway {0} is disconnected from 1Password.", team.host),
    );
  }
}
