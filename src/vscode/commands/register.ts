import * as vscode from "vscode";
import type { Entry } from "../mappingStore.ts";
import type { Dashboard } from "../dashboard.ts";
import type { Doctor } from "../doctor.ts";
import type { Explanations } from "../explanations.ts";
import type { MappingsTree, Row } from "../mappingsTree.ts";
import { showWithActions } from "../notifications.ts";
import { t } from "../phrase.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";
import { isStoredEntry, type StoredEntry } from "../storedSecretStore.ts";
import type { Terminals } from "../terminals.ts";
import { copyApiToken } from "./api.ts";
import { connectAccount, disconnectAccount, reconnectAccount } from "./connect.ts";
import { explainHost } from "./explain.ts";
import {
  addMapping,
  copyReference,
  duplicateMapping,
  editMapping,
  pickEntry,
  removeMapping,
  setEnabled,
  testMapping,
} from "./mappings.ts";
import {
  addStoredSecret,
  duplicateStoredSecret,
  editStoredSecret,
  pickStoredEntry,
  removeStoredSecret,
  replaceValue,
  setStoredSecretEnabled,
} from "./storedSecrets.ts";
import { useTeamGateway } from "./teamGateway.ts";
import { exportMappings, importMappings } from "./transfer.ts";

export interface CommandParts {
  readonly session: Session;
  readonly tree: MappingsTree;
  readonly terminals: Terminals;
  readonly doctor: Doctor;
  readonly explanations: Explanations;
  readonly dashboard: Dashboard;
  readonly log: vscode.LogOutputChannel;
}

/** Every command of package.json and what it does; a test compares the two lists. */
export const commandIds = [
  "onecli.account.connect",
  "onecli.account.reconnect",
  "onecli.account.disconnect",
  "onecli.mapping.add",
  "onecli.mapping.edit",
  "onecli.mapping.remove",
  "onecli.mapping.test",
  "onecli.mapping.enable",
  "onecli.mapping.disable",
  "onecli.mapping.duplicate",
  "onecli.mapping.copyReference",
  "onecli.mapping.import",
  "onecli.mapping.export",
  "onecli.storedSecret.add",
  "onecli.storedSecret.edit",
  "onecli.storedSecret.replaceValue",
  "onecli.storedSecret.remove",
  "onecli.storedSecret.enable",
  "onecli.storedSecret.disable",
  "onecli.storedSecret.duplicate",
  "onecli.host.explain",
  "onecli.dashboard.open",
  "onecli.cache.clear",
  "onecli.terminal.open",
  "onecli.doctor.run",
  "onecli.api.copyToken",
  "onecli.gateway.useTeam",
  "onecli.gateway.restart",
  "onecli.log.show",
] as const;

type CommandId = (typeof commandIds)[number];
type Handler = (target: Row | undefined) => unknown;

export function registerCommands(parts: CommandParts): vscode.Disposable {
  const { session, tree, terminals, doctor, dashboard, explanations, log } = parts;
  /** The row that a command was called on, or the one that is selected. */
  const rowOf = (target: Row | undefined): Entry | StoredEntry | undefined => {
    const row = target ?? (tree.selection.length === 1 ? tree.selection[0] : undefined);
    return row === undefined || "heading" in row ? undefined : row;
  };
  /** A command of a mapping: its row's, or one that is asked for. */
  const onEntry =
    (title: string, act: (entry: Entry) => unknown): Handler =>
    async (target) => {
      const row = rowOf(target);
      const id = row === undefined || isStoredEntry(row) ? undefined : row.id;
      const entry =
        session.entries.find((candidate) => candidate.id === id) ?? (await pickEntry(session, title));
      return entry === undefined ? undefined : act(entry);
    };
  /** The same of a stored secret. */
  const onStored =
    (title: string, act: (session: Session, entry: StoredEntry) => unknown): Handler =>
    async (target) => {
      const row = rowOf(target);
      const id = row !== undefined && isStoredEntry(row) ? row.id : undefined;
      const entry =
        session.storedSecrets.find((candidate) => candidate.id === id) ??
        (await pickStoredEntry(session, title));
      return entry === undefined ? undefined : act(session, entry);
    };
  const handlers: Readonly<Record<CommandId, Handler>> = {
    "onecli.account.connect": () => connectAccount(session),
    "onecli.account.reconnect": () => reconnectAccount(session),
    "onecli.account.disconnect": () => disconnectAccount(session),
    "onecli.mapping.add": () => addMapping(session),
    "onecli.mapping.edit": onEntry(vscode.l10n.t("Edit Mapping"), (entry) => editMapping(session, entry)),
    "onecli.mapping.remove": onEntry(vscode.l10n.t("Remove Mapping"), (entry) =>
      removeMapping(session, entry),
    ),
    "onecli.mapping.test": onEntry(vscode.l10n.t("Test Mapping"), (entry) => testMapping(session, entry)),
    "onecli.mapping.enable": onEntry(vscode.l10n.t("Enable Mapping"), (entry) =>
      setEnabled(session, entry, true),
    ),
    "onecli.mapping.disable": onEntry(vscode.l10n.t("Disable Mapping"), (entry) =>
      setEnabled(session, entry, false),
    ),
    "onecli.mapping.duplicate": onEntry(vscode.l10n.t("Duplicate Mapping"), (entry) =>
      duplicateMapping(session, entry),
    ),
    "onecli.mapping.copyReference": onEntry(vscode.l10n.t("Copy Secret Reference"), copyReference),
    "onecli.mapping.import": () => importMappings(session),
    "onecli.mapping.export": () => exportMappings(session),
    "onecli.storedSecret.add": () => {
      session.assertOwn(t("Stored secrets"));
      return addStoredSecret(session);
    },
    "onecli.storedSecret.edit": onStored(vscode.l10n.t("Edit Stored Secret"), editStoredSecret),
    "onecli.storedSecret.replaceValue": onStored(vscode.l10n.t("Replace Value"), replaceValue),
    "onecli.storedSecret.remove": onStored(vscode.l10n.t("Remove Stored Secret"), removeStoredSecret),
    "onecli.storedSecret.enable": onStored(vscode.l10n.t("Enable Stored Secret"), (_, entry) =>
      setStoredSecretEnabled(session, entry, true),
    ),
    "onecli.storedSecret.disable": onStored(vscode.l10n.t("Disable Stored Secret"), (_, entry) =>
      setStoredSecretEnabled(session, entry, false),
    ),
    "onecli.storedSecret.duplicate": onStored(
      vscode.l10n.t("Duplicate Stored Secret"),
      duplicateStoredSecret,
    ),
    "onecli.host.explain": (target) =>
      explainHost(explanations, target === undefined ? undefined : rowOf(target)),
    "onecli.dashboard.open": () => dashboard.open(),
    "onecli.cache.clear": () => session.clearCache(),
    "onecli.terminal.open": () => terminals.open(),
    "onecli.doctor.run": () => doctor.run(),
    "onecli.api.copyToken": () => copyApiToken(session),
    "onecli.gateway.useTeam": () => useTeamGateway(session),
    "onecli.gateway.restart": () => session.restart(),
    "onecli.log.show": () => log.show(),
  };
  const registered = commandIds.map((id) =>
    vscode.commands.registerCommand(id, async (target?: Row) => {
      try {
        return await handlers[id](target);
      } catch (error) {
        void showWithActions("error", explain(error), []);
        return undefined;
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}
