import * as vscode from "vscode";
import type { Entry } from "../mappingStore.ts";
import type { Doctor } from "../doctor.ts";
import type { MappingsTree } from "../mappingsTree.ts";
import { showWithActions } from "../notifications.ts";
import { explain, type Session } from "../session.ts";
import type { Terminals } from "../terminals.ts";
import { connectAccount, disconnectAccount, reconnectAccount } from "./connect.ts";
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
import { exportMappings, importMappings } from "./transfer.ts";

export interface CommandParts {
  readonly session: Session;
  readonly tree: MappingsTree;
  readonly terminals: Terminals;
  readonly doctor: Doctor;
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
  "onecli.cache.clear",
  "onecli.terminal.open",
  "onecli.doctor.run",
  "onecli.gateway.restart",
  "onecli.log.show",
] as const;

type CommandId = (typeof commandIds)[number];
type Handler = (target: Entry | undefined) => unknown;

export function registerCommands({ session, tree, terminals, doctor, log }: CommandParts): vscode.Disposable {
  /** A row's command: the row it was called on, the one that is selected, or one that is asked for. */
  const onEntry =
    (title: string, act: (entry: Entry) => unknown): Handler =>
    async (target) => {
      const id = target?.id ?? (tree.selection.length === 1 ? tree.selection[0]?.id : undefined);
      const entry =
        session.entries.find((candidate) => candidate.id === id) ?? (await pickEntry(session, title));
      return entry === undefined ? undefined : act(entry);
    };
  const handlers: Readonly<Record<CommandId, Handler>> = {
    "onecli.account.connect": () => connectAccount(session),
    "onecli.account.reconnect": () => reconnectAccount(session),
    "onecli.account.disconnect": () => disconnectAccount(session),
    "onecli.mapping.add": () => addMapping(session),
    "onecli.mapping.edit": onEntry("Edit Mapping", (entry) => editMapping(session, entry)),
    "onecli.mapping.remove": onEntry("Remove Mapping", (entry) => removeMapping(session, entry)),
    "onecli.mapping.test": onEntry("Test Mapping", (entry) => testMapping(session, entry)),
    "onecli.mapping.enable": onEntry("Enable Mapping", (entry) => setEnabled(session, entry, true)),
    "onecli.mapping.disable": onEntry("Disable Mapping", (entry) => setEnabled(session, entry, false)),
    "onecli.mapping.duplicate": onEntry("Duplicate Mapping", (entry) => duplicateMapping(session, entry)),
    "onecli.mapping.copyReference": onEntry("Copy Secret Reference", copyReference),
    "onecli.mapping.import": () => importMappings(session),
    "onecli.mapping.export": () => exportMappings(session),
    "onecli.cache.clear": () => session.clearCache(),
    "onecli.terminal.open": () => terminals.open(),
    "onecli.doctor.run": () => doctor.run(),
    "onecli.gateway.restart": () => session.restart(),
    "onecli.log.show": () => log.show(),
  };
  const registered = commandIds.map((id) =>
    vscode.commands.registerCommand(id, async (target?: Entry) => {
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
