import * as vscode from "vscode";
import { ofCore, type Phrase } from "./phrase.ts";

/** In the language of the editor. */
export function inWords({ text, args }: Phrase): string {
  return vscode.l10n.t(text, ...args.map((arg) => (typeof arg === "object" ? inWords(arg) : arg)));
}

/** A hint, message or reason of the core in the language of the editor; English where it is not known. */
export function coreText(text: string): string {
  return inWords(ofCore(text));
}
