import * as vscode from "vscode";
import { unusable } from "../../core/injection.ts";
import { findOverride } from "../../core/override.ts";
import { mayHoldPlaceholder } from "../../core/placeholders.ts";
import { everyPath } from "../../core/requestPath.ts";
import { knownServices } from "../../core/services.ts";
import { type StoredSecretInput, storedSecretSchema } from "../../core/storedSecret.ts";
import { targetId } from "../../core/target.ts";
import { coreText } from "../l10n.ts";
import { showWithActions } from "../notifications.ts";
import { explain } from "../errorText.ts";
import type { Session } from "../session.ts";
import { maxValueLength, type StoredEntry, StoredSecretError } from "../storedSecretStore.ts";
import { changeHost, type HostList, pickTarget, typePath, typeTarget } from "./hostInput.ts";
import { askRule, describeRule, type Target } from "./ruleInput.ts";
import { askSending, written } from "./sending.ts";

function hostList({ storedSecrets }: Session): HostList {
  return {
    entries: storedSecrets,
    taken: (id) => vscode.l10n.t("{0} has a stored secret already.", id),
    takenButFor: (host) =>
      vscode.l10n.t("{0} has a stored secret already; Enter asks for a path of it.", host),
    askPath: (host) =>
      vscode.l10n.t("The stored secret is for this path of {0} and everything below; / is every path.", host),
  };
}

/** The value is asked for last: from there it goes into storage, and nowhere else. */
export async function addStoredSecret(session: Session): Promise<void> {
  const title = vscode.l10n.t("Add Stored Secret");
  const target = await pickTarget(hostList(session), title);
  if (target === undefined) {
    return;
  }
  const sent = await askSending(hostList(session), title, target);
  if (sent === undefined) {
    return;
  }
  const full = `${title}: ${targetId({ hostname: sent.hostname, path: sent.path ?? everyPath })}`;
  const name = await askName(full, nameOfHost(sent.hostname));
  const value = name === undefined ? undefined : await askValue(full);
  if (name !== undefined && value !== undefined) {
    await save(async () => {
      const entry = await session.addStoredSecret({ name, ...sent }, value);
      reportAdded(session, entry);
    });
  }
}

type Part = "name" | "value" | "host" | "path" | "rule";

/** Changes one part of a stored secret; the value stays unless that is the part. */
export async function editStoredSecret(session: Session, entry: StoredEntry): Promise<void> {
  const title = vscode.l10n.t("Edit Stored Secret: {0}", entry.id);
  const parts: readonly (vscode.QuickPickItem & { readonly part: Part })[] = [
    {
      label: vscode.l10n.t("Value"),
      description: vscode.l10n.t("cannot be shown; type another one"),
      part: "value",
    },
    { label: vscode.l10n.t("Name"), description: entry.name, part: "name" },
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
  if (chosen?.part === "value") {
    await replaceValue(session, entry);
    return;
  }
  const changed = chosen === undefined ? undefined : await changePart(session, entry, chosen.part, title);
  if (changed !== undefined) {
    await save(() => session.changeStoredSecret(entry, changed));
  }
}

async function changePart(
  session: Session,
  entry: StoredEntry,
  part: Exclude<Part, "value">,
  title: string,
): Promise<StoredSecretInput | undefined> {
  switch (part) {
    case "name": {
      const name = await askName(title, entry.name);
      return name === undefined ? undefined : { ...entry.stored, name };
    }
    case "host":
      return moved(entry, await changeHost(hostList(session), title, entry));
    case "path":
      return moved(entry, await typePath(hostList(session), title, entry, entry.id));
    case "rule": {
      const answer = await askRule(title, entry, entry.rule);
      const { rule, ...rest } = entry.stored;
      return answer?.kind !== "rule"
        ? undefined
        : { ...rest, ...(answer.rule !== undefined && { rule: answer.rule }) };
    }
  }
}

export async function replaceValue(session: Session, entry: StoredEntry): Promise<void> {
  const value = await askValue(vscode.l10n.t("Replace Value: {0}", entry.id));
  if (value !== undefined) {
    await save(async () => {
      await session.changeStoredSecret(entry, entry.stored, value);
      void showWithActions(
        "info",
        vscode.l10n.t("{0} has another value from the next request on.", entry.id),
        [],
      );
    });
  }
}

/** Asks first: unlike a mapping, what is removed can be had back from nowhere. */
export async function removeStoredSecret(session: Session, entry: StoredEntry): Promise<void> {
  const remove = vscode.l10n.t("Remove");
  const answer = await vscode.window.showWarningMessage(
    vscode.l10n.t("Remove the stored secret of {0}?", entry.id),
    {
      modal: true,
      detail: vscode.l10n.t("“{0}” is deleted with its value, which is kept nowhere else.", entry.name),
    },
    remove,
  );
  if (answer === remove) {
    await save(() => session.removeStoredSecret(entry));
  }
}

export async function setStoredSecretEnabled(
  session: Session,
  entry: StoredEntry,
  enabled: boolean,
): Promise<void> {
  await save(() => session.changeStoredSecret(entry, { ...entry.stored, enabled }));
}

/** The same value for another host, without typing it again. */
export async function duplicateStoredSecret(session: Session, entry: StoredEntry): Promise<void> {
  const title = vscode.l10n.t("Duplicate the Stored Secret of {0}", entry.id);
  const copy = moved(entry, await typeTarget(hostList(session), title));
  if (copy !== undefined) {
    await save(async () => reportAdded(session, await session.copyStoredSecret(entry, copy)));
  }
}

/** Lets the person pick one where a command was run from the palette. */
export async function pickStoredEntry(session: Session, title: string): Promise<StoredEntry | undefined> {
  const items = session.storedSecrets.map((entry) => ({ label: entry.id, description: entry.name, entry }));
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: vscode.l10n.t("Which stored secret?"),
  });
  return picked?.entry;
}

function moved({ stored }: StoredEntry, target: Target | undefined): StoredSecretInput | undefined {
  const { path, ...rest } = stored;
  return target === undefined ? undefined : { ...rest, ...written(target) };
}

async function save(change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (error) {
    const message =
      error instanceof StoredSecretError
        ? vscode.l10n.t("The stored secret was not changed. {0}", explain(error))
        : vscode.l10n.t(
            "The stored secret was changed, but the gateway does not have it yet. {0}",
            explain(error),
          );
    void showWithActions("error", message, []);
  }
}

function reportAdded(session: Session, entry: StoredEntry): void {
  const overridden = session.entries.find(
    (mapping) => mapping.enabled && findOverride(mapping, [entry]) !== undefined,
  );
  const message =
    overridden === undefined
      ? vscode.l10n.t("The secret for {0} is stored.", entry.id)
      : vscode.l10n.t(
          "The secret for {0} is stored. It wins over the mapping of {1}.",
          entry.id,
          overridden.id,
        );
  void showWithActions("info", message, [
    { title: vscode.l10n.t("New Terminal"), command: "onecli.terminal.open" },
  ]);
}

function nameOfHost(hostname: string): string {
  return knownServices.find(({ hosts }) => hosts.includes(hostname))?.name ?? hostname;
}

const nameSchema = storedSecretSchema.shape.name;

async function askName(title: string, value: string): Promise<string | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t("A name to know it by. It is shown; the value never is."),
    value,
    ignoreFocusOut: true,
    validateInput: (text) => {
      const issue = nameSchema.safeParse(text).error?.issues[0];
      return issue === undefined ? undefined : vscode.l10n.t("The name {0}.", coreText(issue.message));
    },
  });
  return typed?.trim();
}

async function askValue(title: string): Promise<string | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t("The secret itself. It is stored encrypted and never shown again."),
    password: true,
    ignoreFocusOut: true,
    validateInput: checkValue,
  });
  return typed?.trim();
}

const { Info, Warning } = vscode.InputBoxValidationSeverity;

/** Says why a value cannot be sent, or what is odd about it; never what it is. Blanks at its ends are left out. */
export function checkValue(text: string): string | vscode.InputBoxValidationMessage | undefined {
  const value = text.trim();
  const reason = unusable(value);
  if (reason !== undefined) {
    return value === ""
      ? vscode.l10n.t("Type or paste the secret.")
      : vscode.l10n.t("This {0}; a header cannot carry it.", coreText(reason));
  }
  if (value.length > maxValueLength) {
    return vscode.l10n.t("This is longer than any secret: paste the secret alone.");
  }
  if (/^op:\/\//i.test(value)) {
    return odd(
      vscode.l10n.t("This is a reference to 1Password, not a secret: Add Mapping is for those."),
      Warning,
    );
  }
  if (mayHoldPlaceholder(value)) {
    return odd(vscode.l10n.t("This looks like the placeholder of a terminal, not like a secret."), Warning);
  }
  if (/^(["'`]).*\1$/.test(value)) {
    return odd(vscode.l10n.t("The quotation marks around it are sent as a part of it."), Warning);
  }
  return value === text ? undefined : odd(vscode.l10n.t("The blanks around it are left out."), Info);
}

function odd(message: string, severity: vscode.InputBoxValidationSeverity): vscode.InputBoxValidationMessage {
  return { message, severity };
}
