import * as vscode from "vscode";
import { isOneCliError } from "../../core/errors.ts";
import { targetId } from "../../core/target.ts";
import { everyPath } from "../../core/requestPath.ts";
import { formatSecretReference } from "../../core/secretReference.ts";
import { type Entry, MappingError, type StoredMapping } from "../mappingStore.ts";
import { showWithActions } from "../notifications.ts";
import { explain, type Session } from "../session.ts";
import { connectAccount } from "./connect.ts";
import { changeHost, type HostList, pickTarget, typePath, typeTarget } from "./hostInput.ts";
import { type PickedReference, pickReference, typeReference } from "./referenceInput.ts";
import { askRule, describeRule, type Target } from "./ruleInput.ts";
import { askSending, written } from "./sending.ts";

function mappingList({ entries }: Session): HostList {
  return { entries, noun: "mapping", taken: "is mapped already" };
}

export async function addMapping(session: Session): Promise<void> {
  const needsAccount = session.team === undefined && session.account.kind === "none";
  if (needsAccount && !(await connectAccount(session))) {
    return;
  }
  const title = "Add Mapping";
  const target = await pickTarget(mappingList(session), title);
  if (target === undefined) {
    return;
  }
  const picked = await askReference(session, `${title}: ${targetId(target)}`);
  if (picked === undefined) {
    return;
  }
  const sent = await askSending(mappingList(session), title, target);
  if (sent !== undefined) {
    await saveTested(session, { ...picked, ...sent });
  }
}

type Part = "host" | "path" | "secret" | "rule";

/** Changes one part of a mapping, and asks nothing about the others. */
export async function editMapping(session: Session, entry: Entry): Promise<void> {
  const title = `Edit Mapping: ${entry.id}`;
  const parts: readonly (vscode.QuickPickItem & { readonly part: Part })[] = [
    { label: "Secret", description: entry.stored.names ?? entry.stored.reference, part: "secret" },
    { label: "Host", description: entry.hostname, part: "host" },
    { label: "Path", description: entry.path === everyPath ? "every path" : entry.path, part: "path" },
    { label: "Sent As", description: describeRule(entry, entry.rule), part: "rule" },
  ];
  const chosen = await vscode.window.showQuickPick(parts, {
    title,
    placeHolder: "What do you want to change?",
  });
  if (chosen === undefined) {
    return;
  }
  const changed = await changePart(session, entry, chosen.part, title);
  if (changed !== undefined) {
    await saveTested(session, changed, entry.id);
  }
}

async function changePart(
  session: Session,
  entry: Entry,
  part: Part,
  title: string,
): Promise<StoredMapping | undefined> {
  switch (part) {
    case "host":
      return moved(entry, await changeHost(mappingList(session), title, entry));
    case "path":
      return moved(entry, await typePath(mappingList(session), title, entry, entry.id));
    case "secret": {
      const picked = await askReference(session, title, entry.stored.reference);
      const { names, ...rest } = entry.stored;
      return picked === undefined ? undefined : { ...rest, ...picked };
    }
    case "rule": {
      const answer = await askRule(title, entry, entry.rule);
      const { rule, ...rest } = entry.stored;
      return answer?.kind !== "rule"
        ? undefined
        : { ...rest, ...(answer.rule !== undefined && { rule: answer.rule }) };
    }
  }
}

/** A mapping for another host or path. */
function moved({ stored }: Entry, target: Target | undefined): StoredMapping | undefined {
  const { path, ...rest } = stored;
  return target === undefined ? undefined : { ...rest, ...written(target) };
}

async function askReference(
  session: Session,
  title: string,
  current?: string,
): Promise<PickedReference | undefined> {
  if (session.team !== undefined) {
    // Its API shows no vaults.
    return typeReference(title, current);
  }
  try {
    return await pickReference(session, title, current);
  } catch (error) {
    void showWithActions("warning", `The vaults cannot be listed; type the reference. ${explain(error)}`, [
      { title: "Connect 1Password", command: "onecli.account.connect" },
    ]);
    return typeReference(title, current);
  }
}

/** Resolves the secret once, then saves; where that fails, the person decides. */
async function saveTested(session: Session, mapping: StoredMapping, replacing?: string): Promise<void> {
  if (session.team !== undefined) {
    await saveThenTest(session, mapping, replacing);
    return;
  }
  const failure = await test(session, mapping.reference);
  if (failure === "cancelled") {
    return;
  }
  if (failure !== undefined) {
    const save = "Save Anyway";
    const answer = await vscode.window.showWarningMessage(
      `The secret for ${mapping.hostname} could not be read.`,
      { modal: true, detail: explain(failure) },
      save,
    );
    if (answer !== save) {
      return;
    }
  }
  try {
    const entry = await session.saveMapping(mapping, replacing);
    void showWithActions(
      "info",
      `${entry.id} is mapped${failure === undefined ? "; its secret was read" : ""}.`,
      [{ title: "New Terminal", command: "onecli.terminal.open" }],
    );
  } catch (error) {
    const what =
      error instanceof MappingError
        ? "The mapping was not saved."
        : "The mapping was saved, but is of no use yet.";
    void showWithActions("error", `${what} ${explain(error)}`, []);
  }
}

/** A team's gateway tests what is mapped, and nothing else. */
async function saveThenTest(session: Session, mapping: StoredMapping, replacing?: string): Promise<void> {
  try {
    const entry = await session.saveMapping(mapping, replacing);
    if (entry.enabled) {
      await testMapping(session, entry);
    }
  } catch (error) {
    void showWithActions("error", `The mapping was not saved. ${explain(error)}`, []);
  }
}

/** undefined: the secret can be read. */
async function test(session: Session, reference: string): Promise<unknown> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Reading the secret once…", cancellable: true },
    async (_progress, cancellation) => {
      const cancelled = new Promise<"cancelled">((resolve) => {
        cancellation.onCancellationRequested(() => resolve("cancelled"));
      });
      const outcome = session.test(reference).then(
        () => undefined,
        (error: unknown) => error,
      );
      return Promise.race([outcome, cancelled]);
    },
  );
}

export async function testMapping(session: Session, entry: Entry): Promise<void> {
  try {
    await session.testEntry(entry);
    void vscode.window.showInformationMessage(`The secret for ${entry.id} can be read.`);
  } catch (error) {
    const code = isOneCliError(error) ? ` (${error.code})` : "";
    void showWithActions("error", `The secret for ${entry.id} cannot be read${code}. ${explain(error)}`, [
      { title: "Show Log", command: "onecli.log.show" },
    ]);
  }
}

export async function removeMapping(session: Session, entry: Entry): Promise<void> {
  await session.removeMapping(entry.id);
  const undo = "Undo";
  const answer = await vscode.window.showInformationMessage(`${entry.id} is no longer mapped.`, undo);
  if (answer === undo) {
    try {
      await session.saveMapping(entry.stored);
    } catch (error) {
      void showWithActions("error", `It could not be put back. ${explain(error)}`, []);
    }
  }
}

export async function setEnabled(session: Session, entry: Entry, enabled: boolean): Promise<void> {
  const { enabled: _former, ...rest } = entry.stored;
  await session.saveMapping(enabled ? rest : { ...rest, enabled: false }, entry.id);
}

export async function duplicateMapping(session: Session, entry: Entry): Promise<void> {
  const mapping = moved(
    entry,
    await typeTarget(mappingList(session), `Duplicate the Mapping of ${entry.id}`),
  );
  if (mapping === undefined) {
    return;
  }
  try {
    await session.saveMapping(mapping);
  } catch (error) {
    if (!(error instanceof MappingError)) {
      throw error;
    }
    void showWithActions("error", error.message, []);
  }
}

export async function copyReference({ reference }: Entry): Promise<void> {
  await vscode.env.clipboard.writeText(formatSecretReference(reference));
}

/** Lets the person pick one of the mappings where a command was run from the palette. */
export async function pickEntry(session: Session, title: string): Promise<Entry | undefined> {
  const items = session.entries.map((entry) => ({
    label: entry.id,
    description: entry.stored.names ?? entry.stored.reference,
    entry,
  }));
  const picked = await vscode.window.showQuickPick(items, { title, placeHolder: "Which mapping?" });
  return picked?.entry;
}
