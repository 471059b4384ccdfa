// Mappings from and to a file: hosts and references, never a value.
import * as vscode from "vscode";
import * as z from "zod";
import { parseMapping } from "../../core/mapping.ts";
import { showWithActions } from "../notifications.ts";
import type { Session } from "../session.ts";
import { explain } from "../errorText.ts";
import { describeRule } from "./ruleInput.ts";

const fileFilter = { JSON: ["json"] };

/** What is written; read as well: the plain form, an object of hosts and references. */
const fileSchema = z.object({ mappings: z.array(z.unknown()) });
const plainSchema = z.record(z.string(), z.string());

const maxBytes = 1024 * 1024;

export async function exportMappings(session: Session): Promise<void> {
  const target = await vscode.window.showSaveDialog({
    filters: fileFilter,
    title: vscode.l10n.t("Export Mappings"),
  });
  if (target === undefined) {
    return;
  }
  const mappings = session.entries.map(({ stored }) => stored);
  try {
    await vscode.workspace.fs.writeFile(
      target,
      Buffer.from(`${JSON.stringify({ mappings }, undefined, 2)}\n`),
    );
    void vscode.window.showInformationMessage(
      mappings.length === 1
        ? vscode.l10n.t("1 mapping was exported, without its value.")
        : vscode.l10n.t("{0} mappings were exported, without values.", mappings.length),
    );
  } catch {
    void vscode.window.showErrorMessage(vscode.l10n.t("The file could not be written."));
  }
}

export async function importMappings(session: Session): Promise<void> {
  const [source] =
    (await vscode.window.showOpenDialog({ filters: fileFilter, title: vscode.l10n.t("Import Mappings") })) ??
    [];
  if (source === undefined) {
    return;
  }
  let entries: readonly unknown[];
  try {
    const bytes = await vscode.workspace.fs.readFile(source);
    entries = bytes.length > maxBytes ? [] : readEntries(Buffer.from(bytes).toString("utf8"));
  } catch {
    void vscode.window.showErrorMessage(
      vscode.l10n.t(
        "This file holds no mappings: a file of mappings is {0} or {1}.",
        '{"mappings": […]}',
        '{"host": "op://…"}',
      ),
    );
    return;
  }
  await take(session, entries);
}

/** @throws Error where the text is of neither form. */
export function readEntries(text: string): readonly unknown[] {
  const json: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
  const file = fileSchema.safeParse(json);
  if (file.success) {
    return file.data.mappings;
  }
  return Object.entries(plainSchema.parse(json)).map(([hostname, reference]) => ({ hostname, reference }));
}

/** A file is a proposal: what it would do is shown before it is done. */
async function take(session: Session, entries: readonly unknown[]): Promise<void> {
  const problems: string[] = [];
  const items = entries.flatMap((entry) => {
    const mapping = parseMapping(withoutNames(entry));
    if (typeof mapping === "string") {
      problems.push(mapping);
      return [];
    }
    const isKnown = session.entries.some(({ id }) => id === mapping.id);
    const { reference } = entry as { reference: string };
    return [
      {
        label: mapping.id,
        description: reference,
        detail: [
          ...(mapping.rule === undefined
            ? []
            : [vscode.l10n.t("sent as {0}", describeRule(mapping, mapping.rule))]),
          ...(isKnown ? [vscode.l10n.t("replaces the mapping that is there")] : []),
        ].join("; "),
        // Names from a file could hide what the reference leads to.
        stored: { ...(withoutNames(entry) as object), hostname: mapping.hostname, reference },
        replacing: isKnown ? mapping.id : undefined,
      },
    ];
  });
  if (problems.length > 0) {
    const { length: count, 0: first = "" } = problems;
    const message =
      count === 1
        ? vscode.l10n.t("Not imported: {0}.", first)
        : vscode.l10n.t("Not imported: {0} and {1} more.", first, count - 1);
    void showWithActions("warning", message, []);
  }
  if (items.length === 0) {
    return;
  }
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t("Import Mappings"),
    placeHolder: vscode.l10n.t("Each host gets the secret beside it. Take only what you know."),
    canPickMany: true,
    ignoreFocusOut: true,
  });
  try {
    for (const { stored, replacing } of picked ?? []) {
      await session.saveMapping(stored, replacing);
    }
  } catch (error) {
    void showWithActions("error", vscode.l10n.t("The import stopped. {0}", explain(error)), []);
  }
}

function withoutNames(entry: unknown): unknown {
  if (typeof entry !== "object" || entry === null) {
    return entry;
  }
  return Object.fromEntries(Object.entries(entry).filter(([key]) => key !== "names"));
}
