import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as vscode from "vscode";
import { z } from "zod";

const section = "onecli";

const settingsSchema = z.object({
  terminals: z.enum(["all", "profileOnly", "off"]).catch("all"),
  parentProxy: z
    .string()
    .catch("")
    .transform((text) => text.trim()),
  extraCaCertificates: z.array(z.string()).catch([]),
});

export type Settings = z.infer<typeof settingsSchema>;

export function readSettings(): Settings {
  const configuration = vscode.workspace.getConfiguration(section);
  return settingsSchema.parse({
    terminals: configuration.get("terminals"),
    parentProxy: configuration.get("parentProxy"),
    extraCaCertificates: configuration.get("extraCaCertificates"),
  });
}

/** Calls `listener` when settings change on which the gateway depends, or the ones of terminals. */
export function onDidChangeSettings(listener: (change: { gateway: boolean }) => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration(section)) {
      const gateway = ["parentProxy", "extraCaCertificates"].some((key) =>
        event.affectsConfiguration(`${section}.${key}`),
      );
      listener({ gateway });
    }
  });
}

/** The certificates in the files that the setting names, PEM. @throws Error that names the file. */
export async function readExtraCertificates({ extraCaCertificates }: Settings): Promise<string[]> {
  return Promise.all(
    extraCaCertificates.map(async (file) => {
      try {
        const text = await readFile(file, "utf8");
        // Reads the first certificate of the file: a key, or another file, does not pass.
        return new X509Certificate(text).toString() && text;
      } catch {
        throw new Error(
          `onecli.extraCaCertificates: ${file} is no readable file with a certificate in PEM form.`,
        );
      }
    }),
  );
}
