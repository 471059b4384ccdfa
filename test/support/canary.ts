// Looks for something secret in whatever form it may have got somewhere.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The forms, in lower case: as it is, JSON, UTF-16, percent-encoded (in part or all of it), hex, base64, base64url. */
export function formsOf(secret: string | Buffer): string[] {
  const bytes = Buffer.from(secret);
  const text = bytes.toString("latin1");
  const hex = bytes.toString("hex");
  const forms = [text, JSON.stringify(text).slice(1, -1), hex, hex.replace(/../g, "%$&")];
  if (typeof secret === "string") {
    forms.push(encodeURIComponent(secret), Buffer.from(secret, "utf16le").toString("latin1"));
  }
  // Within a longer text, base64 begins at any of three offsets; the characters shared with neighbours are left out.
  for (const offset of [0, 1, 2]) {
    const end = Math.floor(((offset + bytes.length) * 8) / 6);
    for (const encoding of ["base64", "base64url"] as const) {
      const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString(encoding);
      forms.push(encoded.slice(Math.ceil((offset * 8) / 6), end));
    }
  }
  return [...new Set(forms.map((form) => form.toLowerCase()))];
}

/** Names of the secrets that a text (of bytes as Latin-1) holds in any form, broken over lines or not. */
export function leaksIn(text: string, secrets: ReadonlyMap<string, string | Buffer>): string[] {
  const lowered = text.toLowerCase();
  const joined = lowered.replace(/\s+/g, "");
  return [...secrets]
    .filter(([, secret]) => formsOf(secret).some((form) => lowered.includes(form) || joined.includes(form)))
    .map(([name]) => name);
}

/** Path → content as Latin-1, of every file below a folder. */
export async function readTree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(file, "latin1")] as const)),
  );
}
