// Which requests get a secret, and how: what a mapping and a stored secret have in common.
import * as z from "zod";
import { formatHostPattern, HostnameError, type HostPattern, parseHostPattern } from "./hostname.ts";
import { everyPath, parsePathPrefix, PathError } from "./requestPath.ts";
import { findService, type Rule } from "./serviceRules.ts";
import { knownServices } from "./services.ts";

/** Fields that frame a message or belong to one connection: a secret in one of them would break the request. */
const reservedFields =
  /^(host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*)$/i;

const headerRule = z.strictObject({
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

const basicRule = z.strictObject({
  kind: z.literal("basic"),
  username: z
    .string()
    .refine((name) => !name.includes(":"), "has a colon, which ends a user name (RFC 7617)")
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for.
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, "has a control character"),
});

const queryRule = z.strictObject({
  kind: z.literal("query"),
  name: z
    .string()
    .min(1, "is empty")
    .regex(/^[\x21-\x7e]+$/, "has a character that is not printable ASCII"),
});

const serviceRule = z.strictObject({
  kind: z.literal("service"),
  id: z.string().superRefine((id, context) => {
    const service = findService(id);
    const [message] =
      service === undefined
        ? [`${JSON.stringify(id)} is none of ${knownServices.map((known) => known.id).join(", ")}`]
        : service.username === undefined
          ? []
          : [`${JSON.stringify(id)} needs {"kind":"basic","username":…} with ${service.username}`];
    if (message !== undefined) {
      context.addIssue({ code: "custom", message });
    }
  }),
});

/** How the secret is sent, where the default of the host is not wanted. */
export const ruleSchema = z.discriminatedUnion("kind", [headerRule, basicRule, queryRule, serviceRule], {
  error: "is none of header, basic, query, service",
}) satisfies z.ZodType<Rule>;

/** The keys of a target as they are written down: in the config, in storage, in messages. */
export const targetSchema = z.strictObject({
  hostname: z.string(),
  /** Only requests at and below it; the longest that fits wins. */
  path: z.string().optional(),
  rule: ruleSchema.optional(),
  /** `false` leaves the host alone, as if there were no such entry. */
  enabled: z.boolean().optional(),
});

export type TargetInput = z.infer<typeof targetSchema>;

export interface Target {
  /** Canonical text of host and path, `host` or `host/path/`: unique in a list. */
  readonly id: string;
  /** Canonical text of `pattern`. */
  readonly hostname: string;
  readonly pattern: HostPattern;
  /** Canonical prefix of the paths that it is for; `/` for all. */
  readonly path: string;
  /** Absent: the default rule of the host that is asked. */
  readonly rule?: Rule;
  readonly enabled: boolean;
}

/** What is wrong with an entry, in words that name the key and the offending value (a host or a key, nothing secret). */
export interface EntryProblem {
  readonly index: number;
  readonly message: string;
}

/** @returns the sentence that says why the host or the path is none, with the key. */
export function parseTarget({
  hostname: host,
  path: prefix = everyPath,
  rule,
  enabled = true,
}: TargetInput): Target | string {
  try {
    const pattern = parseHostPattern(host);
    const hostname = formatHostPattern(pattern);
    const path = parsePathPrefix(prefix);
    return {
      id: targetId({ hostname, path }),
      hostname,
      pattern,
      path,
      ...(rule !== undefined && { rule }),
      enabled,
    };
  } catch (error) {
    if (error instanceof HostnameError) {
      return `hostname: ${JSON.stringify(host)} ${error.message}`;
    }
    if (error instanceof PathError) {
      return `path: ${JSON.stringify(prefix)} ${error.message}`;
    }
    throw error;
  }
}

/**
 * Reads a list with `parse`. Entries that are broken, or whose host and path (after normalisation) came before, are
 * reported and left out; the caller decides whether the rest may be used.
 */
export function parseTargets<T extends Target>(
  entries: readonly unknown[],
  parse: (entry: unknown) => T | string,
): { found: T[]; problems: EntryProblem[] } {
  const found = new Map<string, T>();
  const problems: EntryProblem[] = [];
  entries.forEach((entry, index) => {
    const parsed = parse(entry);
    if (typeof parsed === "string") {
      problems.push({ index, message: parsed });
    } else if (found.has(parsed.id)) {
      problems.push({ index, message: namedTwice(parsed) });
    } else {
      found.set(parsed.id, parsed);
    }
  });
  return { found: [...found.values()], problems };
}

/** `host`, or `host/path/`, of canonical parts. */
export function targetId({ hostname, path }: Pick<Target, "hostname" | "path">): string {
  return path === everyPath ? hostname : hostname + path;
}

/** What is wrong with the second of two entries for the same host and path. */
export function namedTwice({ id, path }: Target): string {
  return `${path === everyPath ? "hostname" : "path"}: "${id}" is mapped twice`;
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
