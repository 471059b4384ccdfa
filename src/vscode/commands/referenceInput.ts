// Picking a secret: vault, item, field, by name; or typing the reference. Never a value.
import * as vscode from "vscode";
import { isOneCliError } from "../../core/errors.ts";
import type { FieldEntry, ItemEntry, VaultEntry } from "../../core/ports.ts";
import { formatSecretReference, parseSecretReference } from "../../core/secretReference.ts";
import { coreText } from "../l10n.ts";
import type { Session } from "../session.ts";

export interface PickedReference {
  readonly reference: string;
  /** The names behind a reference that is made of ids. */
  readonly names?: string;
}

interface Choice<T> extends vscode.QuickPickItem {
  readonly value?: T;
}

type Picked<T> =
  { readonly kind: "picked"; readonly value: T } | { readonly kind: "back" } | { readonly kind: "type" };

const typeItem = () => ({ label: `$(edit) ${vscode.l10n.t("Type a reference…")}`, alwaysShow: true });

/** undefined: cancelled. @throws OneCliError where 1Password cannot be asked. */
export async function pickReference(
  session: Session,
  title: string,
  current?: string,
): Promise<PickedReference | undefined> {
  for (;;) {
    const vaults = await busy(session.listVaults());
    const vault = await pick(title, vscode.l10n.t("Which vault?"), vaults, vaultChoice, false);
    if (vault === undefined || vault.kind === "back") {
      return undefined;
    }
    if (vault.kind === "type") {
      return typeReference(title, current);
    }
    const inVault = await pickInVault(session, title, vault.value, vaults);
    if (inVault === undefined || inVault !== "back") {
      return inVault;
    }
  }
}

async function pickInVault(
  session: Session,
  title: string,
  vault: VaultEntry,
  vaults: readonly VaultEntry[],
): Promise<PickedReference | "back" | undefined> {
  for (;;) {
    const items = await busy(session.listItems(vault.id));
    const item = await pick(title, vscode.l10n.t("Which item of {0}?", vault.title), items, itemChoice, true);
    if (item?.kind !== "picked") {
      return item === undefined ? undefined : "back";
    }
    const fields = await busy(session.listFields(vault.id, item.value.id));
    const field = await pick(
      title,
      vscode.l10n.t("Which field of {0}?", item.value.title),
      fields,
      fieldChoice,
      true,
    );
    if (field === undefined) {
      return undefined;
    }
    if (field.kind === "picked") {
      return referenceTo({ vault, item: item.value, field: field.value }, { vaults, items, fields });
    }
  }
}

/** What was picked, and what it was picked from. */
interface Picking {
  readonly vault: VaultEntry;
  readonly item: ItemEntry;
  readonly field: FieldEntry;
}

interface Choices {
  readonly vaults: readonly VaultEntry[];
  readonly items: readonly ItemEntry[];
  readonly fields: readonly FieldEntry[];
}

/** By names where a reference can carry them and they are unambiguous, by ids otherwise. */
export function referenceTo(
  { vault, item, field }: Picking,
  { vaults, items, fields }: Choices,
): PickedReference {
  const section = field.section === undefined ? [] : [field.section];
  const names = [vault.title, item.title, ...section.map(({ title }) => title), field.label];
  const attribute = field.type === "Totp" ? "?attribute=otp" : "";
  const byNames = `op://${names.join("/")}${attribute}`;
  const isUnambiguous =
    isOnly(
      vault.title,
      vaults.map(({ title }) => title),
    ) &&
    isOnly(
      item.title,
      items.map(({ title }) => title),
    ) &&
    isOnly(
      field.label,
      fields.filter((other) => other.section?.title === field.section?.title).map(({ label }) => label),
    );
  // A slash in a name would be read as a border between names.
  if (isUnambiguous && names.every((name) => !name.includes("/")) && isReference(byNames)) {
    return { reference: byNames };
  }
  const ids = [vault.id, item.id, ...section.map(({ id }) => id), field.id];
  return { reference: `op://${ids.join("/")}${attribute}`, names: names.join("/") };
}

/** Names are compared as 1Password does: whatever their case. */
function isOnly(name: string, names: readonly string[]): boolean {
  return names.filter((other) => other.toLowerCase() === name.toLowerCase()).length === 1;
}

export async function typeReference(title: string, current = ""): Promise<PickedReference | undefined> {
  const typed = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t("op://vault/item/field or op://vault/item/section/field, by names or ids"),
    placeHolder: "op://API Keys/Anthropic/credential",
    value: current,
    ignoreFocusOut: true,
    validateInput: (text) => {
      try {
        parseSecretReference(text.trim());
        return undefined;
      } catch (error) {
        return isOneCliError(error) ? coreText(error.message) : vscode.l10n.t("This is no secret reference.");
      }
    },
  });
  return typed === undefined
    ? undefined
    : { reference: formatSecretReference(parseSecretReference(typed.trim())) };
}

function isReference(text: string): boolean {
  try {
    return formatSecretReference(parseSecretReference(text)) === text;
  } catch {
    return false;
  }
}

const vaultChoice = (vault: VaultEntry): Choice<VaultEntry> => ({
  label: `$(folder) ${vault.title}`,
  value: vault,
});
const itemChoice = (item: ItemEntry): Choice<ItemEntry> => ({
  label: `$(key) ${item.title}`,
  description: item.category,
  value: item,
});
const fieldChoice = (field: FieldEntry): Choice<FieldEntry> => ({
  label: `$(symbol-field) ${field.label}`,
  description: [field.section?.title, field.type].filter((text) => text !== undefined).join(" · "),
  value: field,
});

/** A pick with Back where there is a step before, and the way to typing where there is none. */
function pick<T>(
  title: string,
  placeholder: string,
  values: readonly T[],
  toChoice: (value: T) => Choice<T>,
  hasBack: boolean,
): Promise<Picked<T> | undefined> {
  const quickPick = vscode.window.createQuickPick<Choice<T>>();
  quickPick.title = title;
  quickPick.placeholder = values.length === 0 ? vscode.l10n.t("There is nothing to pick here.") : placeholder;
  quickPick.matchOnDescription = true;
  quickPick.ignoreFocusOut = true;
  quickPick.items = hasBack ? values.map(toChoice) : [...values.map(toChoice), typeItem()];
  quickPick.buttons = hasBack ? [vscode.QuickInputButtons.Back] : [];
  return new Promise((resolve) => {
    quickPick.onDidAccept(() => {
      const [choice] = quickPick.selectedItems;
      if (choice !== undefined) {
        resolve(choice.value === undefined ? { kind: "type" } : { kind: "picked", value: choice.value });
        quickPick.hide();
      }
    });
    quickPick.onDidTriggerButton(() => {
      resolve({ kind: "back" });
      quickPick.hide();
    });
    quickPick.onDidHide(() => {
      resolve(undefined);
      quickPick.dispose();
    });
    quickPick.show();
  });
}

/** Shows that 1Password is being asked. */
function busy<T>(asking: Promise<T>): Promise<T> {
  return Promise.resolve(
    vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t("Asking 1Password…") },
      () => asking,
    ),
  );
}
