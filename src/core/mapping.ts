import { z } from "zod";
import { isOneCliError } from "./errors.ts";
import { formatHostPattern, HostnameError, type HostPattern, parseHostPattern } from "./hostname.ts";
import { type InjectionRule } from "./injection.ts";
import { parseSecretReference, type SecretReference } from "./secretReference.ts";

/** Fields that frame a message or belong to one connection: a secret in one of them would break the request. */
const reservedFields =
  /^(host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*)$/i;

/** How the value is sent, where the default of the host is not wanted: as `value`, with `{value}` for the secret. */
export const ruleSchema = z.strictObject({
  kind: z.literal("header"),
  name: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "is no header field name")
    .refine((name) => !reservedFields.test(name), "is a field that frames the request"),
  value: z
    .string()
    .regex(/^[\x20-\x7e]*$/, "has a character that a header cannot carry")
    .refine((text) => text.split("{value}").length === 2, "must hold {value} exactly once"),
});

/** A mapping as it is written down: in the config, in storage, in messages. */
export const mappingSchema = z.strictObject({
  hostname: z.string(),
  reference: z.string(),
  rule: ruleSchema.optional(),
  /** `false` tunnels the host as if it were not mapped. */
  enabled: z.boolean().optional(),
});

export type MappingInput = z.infer<typeof mappingSchema>;

/** "The secret behind `reference` goes to `hostname`." */
export interface Mapping {
  /** Canonical text of `pattern`; unique in a list. */
  readonly hostname: string;
  readonly pattern: HostPattern;
  readonly reference: SecretReference;
  /** Absent: the default rule of the host that is asked. */
  readonly rule?: InjectionRule;
  readonly enabled: boolean;
}

/** What is wrong with an entry, in words that name the key and the offending value (a host or a key, no reference). */
export interface MappingProblem {
  readonly index: number;
  readonly message: string;
}

/**
 * Reads a list of mappings. Entries that are broken, or whose host (after normalisation) came before, are reported
 * and left out; the caller decides whether the rest may be used.
 */
export function parseMappings(entries: readonly unknown[]): {
  mappings: Mapping[];
  problems: MappingProblem[];
} {
  const mappings = new Map<string, Mapping>();
  const problems: MappingProblem[] = [];
  entries.forEach((entry, index) => {
    const parsed = parseMapping(entry);
    if (typeof parsed === "string") {
      problems.push({ index, message: parsed });
    } else if (mappings.has(parsed.hostname)) {
      problems.push({ index, message: `hostname: "${parsed.hostname}" is mapped twice` });
    } else {
      mappings.set(parsed.hostname, parsed);
    }
  });
  return { mappings: [...mappings.values()], problems };
}

/** A mapping, or the sentence that says why the entry is none. */
export function parseMapping(entry: unknown): Mapping | string {
  const shape = mappingSchema.safeParse(entry);
  if (!shape.success) {
    return describeIssue(shape.error);
  }
  const { hostname, reference, rule, enabled = true } = shape.data;
  try {
    const pattern = parseHostPattern(hostname);
    return {
      hostname: formatHostPattern(pattern),
      pattern,
      reference: parseSecretReference(reference),
      ...(rule !== undefined && { rule: { header: rule.name, template: rule.value } }),
      enabled,
    };
  } catch (error) {
    if (error instanceof HostnameError) {
      return `hostname: ${JSON.stringify(hostname)} ${error.message}`;
    }
    if (isOneCliError(error, "reference-invalid")) {
      return `reference: ${error.message}`;
    }
    throw error;
  }
}

/** The first issue of a zod error as `path: message`; unknown keys are named. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) {
    return "is not valid";
  }
  const path = issue.path.map(String).join(".");
  const text =
    issue.code === "unrecognized_keys"
      ? `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`
      : issue.message;
  return path === "" ? text : `${path}: ${text}`;
}
