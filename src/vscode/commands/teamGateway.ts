// Using the gateway of a team in place of this window's own: what is asked, checked and confirmed before it is kept.
import * as vscode from "vscode";
import { showWithActions } from "../notifications.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";
import { readExtraCertificates, readSettings } from "../settings.ts";
import { fingerprint, parseTeamUrl, TeamApi, TeamGatewayError } from "../teamApi.ts";
import type { TeamConnection } from "../teamStore.ts";

const setting = "gateway.url";

export interface Confirmation {
  readonly message: string;
  readonly detail: string;
}

/** Asks the person. Each is undefined, or `false`, where the person goes no further. */
export interface TeamQuestions {
  url(current: string): Promise<string | undefined>;
  /** @param isKept whether nothing stands for the token that is there. */
  token(host: string, isKept: boolean): Promise<string | undefined>;
  proxy(suggestion: string): Promise<string | undefined>;
  agent(current: string): Promise<string | undefined>;
  password(agent: string, isKept: boolean): Promise<string | undefined>;
  confirm(confirmation: Confirmation): Promise<boolean>;
  wait<T>(work: Promise<T>): Promise<T>;
}

/**
 * Asks for all that it takes to use a team's gateway; undefined where the person goes no further. Nothing is kept.
 * @param url as the setting has it.
 * @param former what was confirmed before.
 * @throws TeamGatewayError
 */
export async function askConnection(
  questions: TeamQuestions,
  url: string,
  former: TeamConnection | undefined,
  extraCaCertificates: readonly string[],
): Promise<TeamConnection | undefined> {
  const typed = await questions.url(url);
  if (typed === undefined) {
    return undefined;
  }
  const { origin, host, hostname } = parseTeamUrl(typed);
  // What was for another gateway is not for this one.
  const known = former?.url === origin ? former : undefined;
  const token = await questions.token(host, known !== undefined);
  if (token === undefined) {
    return undefined;
  }
  const given = token.trim() === "" ? (known?.token ?? "") : token.trim();
  const api = new TeamApi(origin, given, extraCaCertificates);
  try {
    const { certificate, suggestion } = await questions.wait(look(api, hostname));
    const proxy = await questions.proxy(known?.proxy ?? suggestion);
    if (proxy === undefined) {
      return undefined;
    }
    const agent = (await questions.agent(known?.agent ?? ""))?.trim();
    if (agent === undefined || agent === "") {
      return undefined;
    }
    const isSameAgent = agent === known?.agent;
    const password = await questions.password(agent, isSameAgent);
    if (password === undefined) {
      return undefined;
    }
    const isConfirmed =
      known !== undefined && fingerprint(known.certificate) === fingerprint(certificate)
        ? true
        : await questions.confirm(confirmation(host, certificate, known !== undefined));
    if (!isConfirmed) {
      return undefined;
    }
    return {
      url: origin,
      token: given,
      proxy: parseTeamUrl(proxy).origin,
      agent,
      password: password.trim() === "" && isSameAgent ? known.password : password.trim(),
      certificate,
    };
  } finally {
    api.dispose();
  }
}

async function look(api: TeamApi, hostname: string): Promise<{ certificate: string; suggestion: string }> {
  const [certificate, { proxy }] = await Promise.all([api.caCertificate(), api.status()]);
  return { certificate, suggestion: `${proxy.tls ? "https" : "http"}://${hostname}:${proxy.port}` };
}

function confirmation(host: string, certificate: string, isChanged: boolean): Confirmation {
  return {
    message: isChanged
      ? vscode.l10n.t("The CA of the team gateway {0} is another one than you have confirmed. Use it?", host)
      : vscode.l10n.t("Use the team gateway {0}?", host),
    detail: [
      vscode.l10n.t(
        "Programs in your terminals will trust this CA for every host, and the gateway reads what they send to mapped hosts.",
      ),
      `${vscode.l10n.t("SHA-256 fingerprint of the CA:")}\n${fingerprint(certificate)}`,
      vscode.l10n.t(
        "Compare it with what the gateway's operator says: {0}",
        "openssl x509 -noout -fingerprint -sha256 -in certificate.pem",
      ),
    ].join("\n\n"),
  };
}

/** Uses a team's gateway, changes how it is reached, or goes back to this window's own. */
export async function useTeamGateway(session: Session): Promise<void> {
  const { team } = session;
  if (team !== undefined) {
    const change = {
      label: vscode.l10n.t("Change…"),
      description: vscode.l10n.t("address, token, agent; confirm its CA again"),
    };
    const stop = {
      label: vscode.l10n.t("Stop Using It"),
      description: vscode.l10n.t("this window's own gateway takes over"),
    };
    const picked = await vscode.window.showQuickPick([change, stop], {
      title: vscode.l10n.t("Team Gateway {0}", team.host),
      placeHolder: team.problem ?? vscode.l10n.t("It is in use."),
    });
    if (picked === stop) {
      await stopUsing(session);
    }
    if (picked !== change) {
      return;
    }
  }
  const former = await session.teamConnection();
  const settings = readSettings();
  try {
    const connection = await askConnection(
      inputs,
      settings.gatewayUrl,
      former,
      await readExtraCertificates(settings),
    );
    if (connection !== undefined) {
      await use(session, connection);
    }
  } catch (error) {
    void showWithActions("error", vscode.l10n.t("The team gateway is not used. {0}", explain(error)), [
      { title: vscode.l10n.t("Try Again"), command: "onecli.gateway.useTeam" },
    ]);
  }
}

async function use(session: Session, connection: TeamConnection): Promise<void> {
  await session.storeTeamConnection(connection);
  await writeSetting(connection.url);
  await session.restart();
  await session.checkTeam();
  const { problem, host = "" } = session.team ?? {};
  const terminal = { title: vscode.l10n.t("New Terminal"), command: "onecli.terminal.open" };
  await (problem === undefined
    ? showWithActions(
        "info",
        vscode.l10n.t(
          "The team gateway {0} is used. Terminals from before trust another CA: open new ones.",
          host,
        ),
        [terminal],
      )
    : showWithActions("error", problem, [
        { title: vscode.l10n.t("Change…"), command: "onecli.gateway.useTeam" },
      ]));
}

async function stopUsing(session: Session): Promise<void> {
  await writeSetting(undefined);
  await session.storeTeamConnection(undefined);
  await session.restart();
  void vscode.window.showInformationMessage(
    vscode.l10n.t(
      "The team gateway is no longer used, and what was kept of it is removed. Open new terminals: those from before trust its CA.",
    ),
  );
}

async function writeSetting(url: string | undefined): Promise<void> {
  await vscode.workspace.getConfiguration("onecli").update(setting, url, vscode.ConfigurationTarget.Global);
}

const inputs: TeamQuestions = {
  url: (value) =>
    ask({
      prompt: vscode.l10n.t("Address of the gateway's API, as its operator gave it to you."),
      placeHolder: "https://gateway.example.com:8443",
      value,
      validateInput: checkUrl,
    }),
  token: (host, isKept) =>
    ask({
      prompt: isKept
        ? vscode.l10n.t(
            "API token of {0}: what is in the gateway's token file. Empty: the one that is stored. It is stored encrypted.",
            host,
          )
        : vscode.l10n.t(
            "API token of {0}: what is in the gateway's token file. It is stored encrypted.",
            host,
          ),
      password: true,
      validateInput: (text) =>
        text.trim() === "" && !isKept ? vscode.l10n.t("Paste the token.") : undefined,
    }),
  proxy: (value) =>
    ask({ prompt: vscode.l10n.t("Address of the gateway's proxy."), value, validateInput: checkUrl }),
  agent: (value) =>
    ask({
      prompt: vscode.l10n.t("Name of your agent, as in: onecli-gateway agent NAME"),
      placeHolder: "laptop-7",
      value,
      validateInput: (text) => (text.trim() === "" ? vscode.l10n.t("Type the name.") : undefined),
    }),
  password: (agent, isKept) =>
    ask({
      prompt: isKept
        ? vscode.l10n.t(
            "Password of {0}, as onecli-gateway agent {0} printed it. Empty: the one that is stored. It is stored encrypted, and in no terminal.",
            agent,
          )
        : vscode.l10n.t(
            "Password of {0}, as onecli-gateway agent {0} printed it. It is stored encrypted, and in no terminal.",
            agent,
          ),
      password: true,
      validateInput: (text) =>
        text.trim() === "" && !isKept ? vscode.l10n.t("Paste the password.") : undefined,
    }),
  async confirm({ message, detail }) {
    const yes = vscode.l10n.t("Use This Gateway");
    return (await vscode.window.showWarningMessage(message, { modal: true, detail }, yes)) === yes;
  },
  async wait(work) {
    return vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t("Asking the team gateway…") },
      () => work,
    );
  },
};

async function ask(options: vscode.InputBoxOptions): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t("Use Team Gateway"),
    ignoreFocusOut: true,
    ...options,
  });
}

function checkUrl(text: string): string | undefined {
  try {
    parseTeamUrl(text);
    return undefined;
  } catch (error) {
    return error instanceof TeamGatewayError ? explain(error) : vscode.l10n.t("This is no address.");
  }
}
