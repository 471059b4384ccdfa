import * as vscode from "vscode";
import { isOneCliError } from "../../core/errors.ts";
import { targetId } from "../../core/target.ts";
import { everyPath } from "../../core/requestPath.ts";
import { formatSecretReference } from "../../core/secretReference.ts";
import { type Entry, MappingError, type StoredMapping } from "../mappingStore.ts";
import { showWithActions } from "../notifications.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";
import { connectAccount } from "./connect.ts";
import { changeHost, type HostList, pickTarget, typePath, typeTarget } from "./hostInput.ts";
import { type PickedReference, pickReference, typeReference } from "./referenceInput.ts";
import { askRule, describeRule, type Target } from "./ruleInput.ts";
import { askSending, written } from "./sending.ts";

function mappingList({ entries }: Session): HostList {
  return {
    entries,
    taken: (id) => vscode.l10n.t("{0} is mapped already.", id),
    takenButFor: (host) => vscode.l10n.t("{0} is mapped already; Enter asks for a path of it.", host),
    askPath: (host) =>
      vscode.l10n.t("The mapping is for this path of {0} and everything below; / is every path.", host),
  };
}

export async function addMapping(session: Session): Promise<void> {
  const needsAccount = session.team === undefined && session.account.kind === "none";
  if (needsAccount && !(await connectAccount(session))) {
    return;
  }
  const title = vscode.l10n.t("Add Mapping");
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
  const title = vscode.l10n.t("Edit Mapping: {0}", entry.id);
  const parts: readonly (vscode.QuickPickItem & { readonly part: Part })[] = [
    {
      label: vscode.l10n.t("Secret"),
      description: entry.stored.names ?? entry.stored.reference,
      part: "secret",
    },
    { label: vscode.l10n.t("Host"), description: entry.hostname, part: "host" },
    {
      label: vscode.l10n.t("Path"),
      description: entry.path === everyPath ? vscode.l10n.t("every path") : entry.path,
      part: "path",
    },
    { label: vscode.l10n.t("Sent As"), description: describeRule(entry, entry.rule), part: "rule" },
  ];
  const chosen = await vscode.window.showQuickPick(parts, {
    title,
    placeHolder: vscode.l10n.t("What do you want to change?"),
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
    void showWithActions(
      "warning",
      vscode.l10n.t("The vaults cannot be listed; type the reference. {0}", explain(error)),
      [{ title: vscode.l10n.t("Connect 1Password"), command: "onecli.account.connect" }],
    );
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
    const save = vscode.l10n.t("Save Anyway");
    const answer = await vscode.window.showWarningMessage(
      vscode.l10n.t("The secret for {0} could not be read.", mapping.hostname),
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
      failure === undefined
        ? vscode.l10n.t("{0} is mapped; its secret was read.", entry.id)
        : vscode.l10n.t("{0} is mapped.", entry.id),
      [{ title: vscode.l10n.t("New Terminal"), command: "onecli.terminal.open" }],
    );
  } catch (error) {
    const message =
      error instanceof MappingError
        ? vscode.l10n.t("The mapping was not saved. {0}", explain(error))
        : vscode.l10n.t("The mapping was saved, but is of no use yet. {0}", explain(error));
    void showWithActions("error", message, []);
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
    void showWithActions("error", vscode.l10n.t("The mapping was not saved. {0}", explain(error)), []);
  }
}

/** undefined: the secret can be read. */
async function test(session: Session, reference: string): Promise<unknown> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t("Reading the secret once…"),
      cancellable: true,
    },
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
    void vscode.window.showInformationMessage(vscode.l10n.t("The secret for {0} can be read.", entry.id));
  } catch (error) {
    const message = isOneCliError(error)
      ? vscode.l10n.t("The secret for {0} cannot be read ({1}). {2}", entry.id, error.code, explain(error))
      : vscode.l10n.t("The secret for {0} cannot be read. {1}", entry.id, explain(error));
    void showWithActions("error", message, [
      { title: vscode.l10n.t("Show Log"), command: "onecli.log.show" },
    ]);
  }
}

export async function removeMapping(session: Session, entry: Entry): Promise<void> {
  const putBack = await session.removeMapping(entry.id);
  const undo = vscode.l10n.t("Undo");
  const answer = await vscode.window.showInformationMessage(
    vscode.l10n.t("{0} is no longer mapped.", entry.id),
    undo,
  );
  if (answer === undo) {
    try {
      await putBack();
    } catch (error) {
      void showWithActions("error", vscode.l10n.t("It could not be put back. {0}", explain(error)), []);
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
    await typeTarget(mappingList(session), vscode.l10n.t("Duplicate the Mapping of {0}", entry.id)),
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
    void showWithActions("error", explain(error), []);
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
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: vscode.l10n.t("Which mapping?"),
  });
  return picked?.entry;
}
