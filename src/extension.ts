// Builds the object graph and starts it.
import "./vscode/zodWithoutCode.ts";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as vscode from "vscode";
import { askPerson, tellTooLate } from "./vscode/apiQuestion.ts";
import { ApiWrites } from "./vscode/apiWrites.ts";
import { openApiSettings } from "./vscode/commands/api.ts";
import { registerCommands } from "./vscode/commands/register.ts";
import { setContextKey } from "./vscode/contextKeys.ts";
import { Dashboard } from "./vscode/dashboard.ts";
import { Disposables } from "./vscode/disposables.ts";
import { Doctor } from "./vscode/doctor.ts";
import { Explanations } from "./vscode/explanations.ts";
import { IdentityStore } from "./vscode/identityStore.ts";
import { MappingStore } from "./vscode/mappingStore.ts";
import { MappingsTree } from "./vscode/mappingsTree.ts";
import { Notifications, openSetting, showWithActions } from "./vscode/notifications.ts";
import { explain, explainInEnglish } from "./vscode/errorText.ts";
import { Session } from "./vscode/session.ts";
import { CurrentSettings, onDidChangeSettings, SettingError } from "./vscode/settings.ts";
import { StaleTerminals } from "./vscode/staleTerminals.ts";
import { StatusBar } from "./vscode/statusBar.ts";
import { StoredSecretStore } from "./vscode/storedSecretStore.ts";
import { reportMappingProblem, reportStoredSecretProblem } from "./vscode/storeProblems.ts";
import { TeamStore } from "./vscode/teamStore.ts";
import { Terminals } from "./vscode/terminals.ts";
import { TokenStore } from "./vscode/tokenStore.ts";

let session: Session | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  // Loading this file kept the thread that all extensions share: what has come meanwhile goes first.
  await setImmediate();
  const startedAt = performance.now();
  const disposables = new Disposables();
  context.subscriptions.push(disposables);
  const log = disposables.add(vscode.window.createOutputChannel("OneCLI", { log: true }));
  const folder = context.globalStorageUri.fsPath;
  const gatewayFile = join(context.extensionPath, "dist", "gateway.js");
  const tokens = new TokenStore(context.secrets, folder, log);
  const identity = new IdentityStore(context.secrets, context.workspaceState);
  const mappings = new MappingStore(context.workspaceState);
  const storedSecrets = new StoredSecretStore(context.secrets, folder, () => identity.workspaceId());
  const teams = new TeamStore(context.secrets, folder);
  const notifications = new Notifications();
  const settings = disposables.add(new CurrentSettings());
  const stale: StaleTerminals = new StaleTerminals(settings.read, () => terminals);
  const writes = disposables.add(
    new ApiWrites({
      session: () => current,
      state: context.workspaceState,
      ask: askPerson,
      onTooLate: tellTooLate,
    }),
  );
  const current: Session = new Session({
    gatewayFile,
    dataDir: join(folder, "trust"),
    tokens,
    identity,
    mappings,
    storedSecrets,
    teams,
    logger: log,
    settings: settings.read,
    onRequestFailed: (code, host) => void notifications.requestFailed(code, host),
    onPlaceholderLeak: (service, host) => void notifications.placeholderLeaked(service, host),
    onRestart: () => notifications.gatewayRestarts(),
    onPortChanged: () => stale.announce(),
    onWriteAsked: (write) => writes.perform(write),
    onApiFault: (fault) =>
      void showWithActions("warning", vscode.l10n.t("The API of OneCLI does not listen. {0}", fault), [
        openApiSettings(),
      ]),
  });
  writes.watch();
  session = current;
  disposables.add(current);
  const terminals = disposables.add(
    new Terminals(context.environmentVariableCollection, () => current.ensureEnvironment()),
  );
  const doctor = disposables.add(new Doctor(gatewayFile, terminals));
  const tree = disposables.add(new MappingsTree(current));
  const { extensionUri } = context;
  const dashboard = disposables.add(new Dashboard({ session: current, doctor, logger: log, extensionUri }));
  disposables.add(new StatusBar(current));
  const explanations = disposables.add(new Explanations(current));
  disposables.add(
    registerCommands({ session: current, tree, terminals, doctor, dashboard, explanations, log }),
  );

  const show = () => {
    setContextKey("onecli.hasAccount", current.account.kind === "present");
    setContextKey("onecli.usesTeam", current.team !== undefined);
    setContextKey("onecli.hasMappings", current.entries.length > 0);
    setContextKey("onecli.hasStoredSecrets", current.storedSecrets.length > 0);
    terminals.apply(current.environment);
    if (current.account.kind === "present") {
      notifications.resolved("not-connected");
    }
  };
  const report = (error: unknown) => {
    log.error(explainInEnglish(error));
    const runs = current.gateway.kind === "running";
    const message = runs
      ? vscode.l10n.t("The OneCLI gateway goes on as it was. {0}", explain(error))
      : vscode.l10n.t("OneCLI could not start its gateway. {0}", explain(error));
    void showWithActions("error", message, [
      ...(error instanceof SettingError ? [openSetting(error.setting)] : []),
      { title: vscode.l10n.t("Try Again"), command: "onecli.gateway.restart" },
      { title: vscode.l10n.t("Show Log"), command: "onecli.log.show" },
    ]);
  };
  disposables.add(current.onDidChange(show));
  disposables.add(tokens.onDidChange(() => void current.accountChanged().catch(report)));
  disposables.add(storedSecrets.onDidChange(() => void current.storedSecretsChanged().catch(report)));
  disposables.add(teams.onDidChange(() => void current.teamConnectionChanged().catch(report)));
  disposables.add(
    onDidChangeSettings(({ gateway }) => {
      show();
      if (gateway) {
        current.restart().catch(report);
      }
    }),
  );
  show();
  reportMappingProblem(mappings.problem);
  // Nothing of this is needed to show the views.
  current
    .open()
    .catch(report)
    .finally(() => reportStoredSecretProblem(storedSecrets.problem));
  log.info(`Activated in ${(performance.now() - startedAt).toFixed(1)} ms.`);
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}
