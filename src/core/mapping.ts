import * as z from "zod";
import { isOneCliError } from "./errors.ts";
import { parseSecretReference, type SecretReference } from "./secretReference.ts";
import {
  describeIssue,
  type EntryProblem,
  parseTarget,
  parseTargets,
  type Target,
  targetSchema,
} from "./target.ts";

/** A mapping as it is written down: in the config, in storage, in messages. */
export const mappingSchema = targetSchema.extend({ reference: z.string() });

export type MappingInput = z.infer<typeof mappingSchema>;

/** "The secret behind `reference` goes to `hostname`." */
export interface Mapping extends Target {
  readonly reference: SecretReference;
}

/** Reads a list of mappings; see {@link parseTargets}. */
export function parseMappings(entries: readonly unknown[]): {
  mappings: Mapping[];
  problems: EntryProblem[];
} {
  const { found: mappings, problems } = parseTargets(entries, parseMapping);
  return { mappings, problems };
}

/** A mapping, or the sentence that says why the entry is none. */
export function parseMapping(entry: unknown): Mapping | string {
  const shape = mappingSchema.safeParse(entry);
  if (!shape.success) {
    return describeIssue(shape.error);
  }
  const { reference, ...input } = shape.data;
  const target = parseTarget(input);
  if (typeof target === "string") {
    return target;
  }
  try {
    return { ...target, reference: parseSecretReference(reference) };
  } catch (error) {
    if (isOneCliError(error, "reference-invalid")) {
      return `reference: ${error.message}`;
    }
    throw error;
  }
}
