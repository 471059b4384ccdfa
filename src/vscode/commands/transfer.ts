// Mappings from and to a file: hosts and references, never a value.
import * as vscode from "vscode";
import { z } from "zod";
import { parseMapping } from "../../core/mapping.ts";
import { showWithActions } from "../notifications.ts";
import type { Session } from "../session.ts";
import { explain } from "../session.ts";
import { describeRule } from "./ruleInput.ts";

const fileFilter = { JSON: ["json"] };

/** What is written; read as well: the plain form, an object of hosts and references. */
const fileSchema = z.object({ mappings: z.array(z.unknown()) });
const plainSchema = z.record(z.string(), z.string());

const maxBytes = 1024 * 1024;

export async function exportMappings(session: Session): Promise<void> {
  const target = await vscode.window.showSaveDialog({ filters: fileFilter, title: "Export Mappings" });
  if (target === undefined) {
    return;
  }
  const mappings = session.entries.map(({ stored }) => stored);
  try {
    await vscode.workspace.fs.writeFile(
      target,
      Buffer.from(`${JSON.stringify({ mappings }, undefined, 2)}\n`),
    );
    void vscode.window.showInformationMessage(`${mappings.length} mappings were exported, without values.`);
  } catch {
    void vscode.window.showErrorMessage("The file could not be written.");
  }
}

export async function importMappings(session: Session): Promise<void> {
  const [source] =
    (await vscode.window.showOpenDialog({ filters: fileFilter, title: "Import Mappings" })) ?? [];
  if (source === undefined) {
    return;
  }
  let entries: readonly unknown[];
  try {
    const bytes = await vscode.workspace.fs.readFile(source);
    entries = bytes.length > maxBytes ? [] : readEntries(Buffer.from(bytes).toString("utf8"));
  } catch {
    void vscode.window.showErrorMessage(
      'This file holds no mappings: it is {"mappings": […]} or {"host": "op://…"}.',
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
          ...(mapping.rule === undefined ? [] : [`sent as ${describeRule(mapping, mapping.rule)}`]),
          ...(isKnown ? ["replaces the mapping that is there"] : []),
        ].join("; "),
        // Names from a file could hide what the reference leads to.
        stored: { ...(withoutNames(entry) as object), hostname: mapping.hostname, reference },
        replacing: isKnown ? mapping.id : undefined,
      },
    ];
  });
  if (problems.length > 0) {
    const more = problems.length === 1 ? "" : ` and ${problems.length - 1} more`;
    void showWithActions("warning", `Not imported: ${problems[0] ?? ""}${more}.`, []);
  }
  if (items.length === 0) {
    return;
  }
  const picked = await vscode.window.showQuickPick(items, {
    title: "Import Mappings",
    placeHolder: "Each host gets the secret beside it. Take only what you know.",
    canPickMany: true,
    ignoreFocusOut: true,
  });
  try {
    for (const { stored, replacing } of picked ?? []) {
      await session.saveMapping(stored, replacing);
    }
  } catch (error) {
    void showWithActions("error", `The import stopped. ${explain(error)}`, []);
  }
}

function withoutNames(entry: unknown): unknown {
  if (typeof entry !== "object" || entry === null) {
    return entry;
  }
  return Object.fromEntries(Object.entries(entry).filter(([key]) => key !== "names"));
}
