import * as vscode from "vscode";
import { isOneCliError } from "../../core/errors.ts";
import { parseHostPattern } from "../../core/hostname.ts";
import { defaultRule } from "../../core/services.ts";
import type { MappingInput } from "../../core/mapping.ts";
import { ruleSchema } from "../../core/mapping.ts";
import { formatSecretReference } from "../../core/secretReference.ts";
import { type Entry, MappingError, type StoredMapping } from "../mappingStore.ts";
import { showWithActions } from "../notifications.ts";
import { explain, type Session } from "../session.ts";
import { connectAccount } from "./connect.ts";
import { pickHost, typeHost } from "./hostInput.ts";
import { type PickedReference, pickReference, typeReference } from "./referenceInput.ts";

export async function addMapping(session: Session): Promise<void> {
  if (session.account.kind === "none" && !(await connectAccount(session))) {
    return;
  }
  const title = "Add Mapping";
  const hostname = await pickHost(session, title);
  if (hostname === undefined) {
    return;
  }
  const picked = await askReference(session, `${title}: ${hostname}`);
  if (picked === undefined) {
    return;
  }
  const rule = await askRule(`${title}: ${hostname}`, hostname, undefined);
  if (rule === undefined) {
    return;
  }
  await saveTested(session, { hostname, ...picked, ...rule });
}

type Part = "host" | "secret" | "rule";

/** Changes one part of a mapping, and asks nothing about the others. */
export async function editMapping(session: Session, entry: Entry): Promise<void> {
  const title = `Edit Mapping: ${entry.hostname}`;
  const parts: readonly (vscode.QuickPickItem & { readonly part: Part })[] = [
    { label: "Secret", description: entry.stored.names ?? entry.stored.reference, part: "secret" },
    { label: "Host", description: entry.hostname, part: "host" },
    { label: "Header", description: describeRule(entry.hostname, entry.stored.rule), part: "rule" },
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
    await saveTested(session, changed, entry.hostname);
  }
}

async function changePart(
  session: Session,
  { stored, hostname }: Entry,
  part: Part,
  title: string,
): Promise<StoredMapping | undefined> {
  switch (part) {
    case "host": {
      const host = await typeHost(session, title, hostname);
      return host === undefined ? undefined : { ...stored, hostname: host };
    }
    case "secret": {
      const picked = await askReference(session, title, stored.reference);
      const { names, ...rest } = stored;
      return picked === undefined ? undefined : { ...rest, ...picked };
    }
    case "rule": {
      const chosen = await askRule(title, hostname, stored.rule);
      const { rule, ...rest } = stored;
      return chosen === undefined ? undefined : { ...rest, ...chosen };
    }
  }
}

async function askReference(
  session: Session,
  title: string,
  current?: string,
): Promise<PickedReference | undefined> {
  try {
    return await pickReference(session, title, current);
  } catch (error) {
    void showWithActions("warning", `The vaults cannot be listed; type the reference. ${explain(error)}`, [
      { title: "Connect 1Password", command: "onecli.account.connect" },
    ]);
    return typeReference(title, current);
  }
}

type Rule = NonNullable<MappingInput["rule"]>;

/** `{}`: the default of the host. undefined: cancelled. */
async function askRule(
  title: string,
  hostname: string,
  current: Rule | undefined,
): Promise<{ rule?: Rule } | undefined> {
  const standard = {
    label: describeRule(hostname, undefined),
    description: "default",
    choice: "default" as const,
  };
  const kept =
    current === undefined
      ? []
      : [{ label: describeRule(hostname, current), description: "as now", choice: "kept" as const }];
  const own = { label: "$(edit) Another header…", choice: "own" as const };
  const picked = await vscode.window.showQuickPick([...kept, standard, own], {
    title,
    placeHolder: "How is the secret sent?",
    ignoreFocusOut: true,
  });
  switch (picked?.choice) {
    case undefined:
      return undefined;
    case "default":
      return {};
    case "kept":
      return current === undefined ? {} : { rule: current };
    case "own":
      return typeRule(title, current);
  }
}

async function typeRule(title: string, current: Rule | undefined): Promise<{ rule: Rule } | undefined> {
  const parse = (text: string) => {
    const colon = text.indexOf(":");
    const value = text.slice(colon + 1).trim();
    return ruleSchema.safeParse({ kind: "header", name: text.slice(0, Math.max(0, colon)).trim(), value });
  };
  const typed = await vscode.window.showInputBox({
    title,
    prompt: "The header as it is sent, with {value} for the secret.",
    placeHolder: "x-api-key: {value}",
    value: current === undefined ? "" : `${current.name}: ${current.value}`,
    ignoreFocusOut: true,
    validateInput: (text) => {
      const { success, error } = parse(text);
      const issue = error?.issues[0];
      return success
        ? undefined
        : `Header ${issue?.path[0] === "name" ? "name" : "value"}: ${issue?.message ?? "is not valid"}.`;
    },
  });
  const rule = typed === undefined ? undefined : parse(typed).data;
  return rule === undefined ? undefined : { rule };
}

function describeRule(hostname: string, rule: Rule | undefined): string {
  if (rule !== undefined) {
    return `${rule.name}: ${rule.value}`;
  }
  const { host, wildcard } = parseHostPattern(hostname);
  const { header, template } = defaultRule(host);
  return wildcard ? "as each host wants it" : `${header}: ${template}`;
}

/** Resolves the secret once, then saves; where that fails, the person decides. */
async function saveTested(session: Session, mapping: StoredMapping, replacing?: string): Promise<void> {
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
      `${entry.hostname} is mapped${failure === undefined ? "; its secret was read" : ""}.`,
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
    void vscode.window.showInformationMessage(`The secret for ${entry.hostname} can be read.`);
  } catch (error) {
    const code = isOneCliError(error) ? ` (${error.code})` : "";
    void showWithActions(
      "error",
      `The secret for ${entry.hostname} cannot be read${code}. ${explain(error)}`,
      [{ title: "Show Log", command: "onecli.log.show" }],
    );
  }
}

export async function removeMapping(session: Session, entry: Entry): Promise<void> {
  await session.removeMapping(entry.hostname);
  const undo = "Undo";
  const answer = await vscode.window.showInformationMessage(`${entry.hostname} is no longer mapped.`, undo);
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
  await session.saveMapping(enabled ? rest : { ...rest, enabled: false }, entry.hostname);
}

export async function duplicateMapping(session: Session, entry: Entry): Promise<void> {
  const hostname = await typeHost(session, `Duplicate the Mapping of ${entry.hostname}`);
  if (hostname === undefined) {
    return;
  }
  try {
    await session.saveMapping({ ...entry.stored, hostname });
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
    label: entry.hostname,
    description: entry.stored.names ?? entry.stored.reference,
    entry,
  }));
  const picked = await vscode.window.showQuickPick(items, { title, placeHolder: "Which mapping?" });
  return picked?.entry;
}
