import * as z from "zod";
import { type SecretValue } from "./secretValue.ts";
import {
  describeIssue,
  type EntryProblem,
  parseTarget,
  parseTargets,
  type Target,
  targetSchema,
} from "./target.ts";

/** A stored secret as it is written down, without its value. */
export const storedSecretSchema = targetSchema.extend({
  /** What the person calls it. */
  name: z
    .string()
    .trim()
    .min(1, "is empty")
    .max(100, "is longer than 100 characters")
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, "has a control character"),
});

export type StoredSecretInput = z.infer<typeof storedSecretSchema>;

/** What may be known of a stored secret. */
export interface StoredSecretEntry extends Target {
  readonly name: string;
}

/** "This value goes to `hostname`": kept by OneCLI itself, not by 1Password. */
export interface StoredSecret extends StoredSecretEntry {
  readonly value: SecretValue;
}

/** Reads a list without values; see {@link parseTargets}. */
export function parseStoredSecrets(entries: readonly unknown[]): {
  storedSecrets: StoredSecretEntry[];
  problems: EntryProblem[];
} {
  const { found: storedSecrets, problems } = parseTargets(entries, parseStoredSecret);
  return { storedSecrets, problems };
}

/** A stored secret without its value, or the sentence that says why the entry is none. */
export function parseStoredSecret(entry: unknown): StoredSecretEntry | string {
  const shape = storedSecretSchema.safeParse(entry);
  if (!shape.success) {
    return describeIssue(shape.error);
  }
  const { name, ...input } = shape.data;
  const target = parseTarget(input);
  return typeof target === "string" ? target : { ...target, name };
}
