// Which secret a request would get, and why: the same look-up as at a request, told step by step.
import * as z from "zod";
import { type Credential, indexCredentials, isStored, sourceOf } from "./credentialIndex.ts";
import { isOneCliError } from "./errors.ts";
import { type Authority, covers, formatAuthority } from "./hostname.ts";
import { type Placement } from "./injection.ts";
import { type Mapping } from "./mapping.ts";
import { everyPath, readPath } from "./requestPath.ts";
import { formatSecretReference } from "./secretReference.ts";
import { injectionRule } from "./serviceRules.ts";
import { type StoredSecret } from "./storedSecret.ts";

const outcomes = [
  "wins",
  /** Switched off. */
  "disabled",
  /** For another path of the host. */
  "other-path",
  /** A mapping that would win, were there no stored secret. */
  "stored-wins",
  /** A wildcard, and another entry names the host more closely. */
  "closer-host-wins",
  /** Another entry of the same host has a longer path. */
  "longer-path-wins",
  /** Servers could read the path in more than one way: the request is refused. */
  "ambiguous-path",
] as const;

const candidateSchema = z.strictObject({
  source: z.enum(["1password", "stored"]),
  id: z.string(),
  /** The reference of a mapping, the name of a stored secret. */
  label: z.string(),
  outcome: z.enum(outcomes),
});

export const explanationSchema = z.strictObject({
  /** Canonical: `host`, or `host:port` where the port is not 443. */
  host: z.string(),
  path: z.string(),
  /** Every entry for the host, the winner first, stored secrets before mappings. */
  candidates: z.array(candidateSchema),
  /** `untouched`: the bytes of the host pass unseen; `bare`: the request goes on without a secret. */
  result: z.enum(["injected", "bare", "untouched", "refused"]),
  /** Where the secret is put: `header x-api-key`. */
  sets: z.string().optional(),
  /** Where it is put instead if its value begins so, as some services have it. */
  variant: z.strictObject({ prefix: z.string(), sets: z.string() }).optional(),
  /** What the client sent as a credential and does not go on: `header authorization`, `query parameter key`. */
  removes: z.array(z.string()),
});

export type Explanation = z.infer<typeof explanationSchema>;

/** @param path path and query of the request. */
export function explain(
  authority: Authority,
  path: string,
  storedSecrets: readonly StoredSecret[],
  mappings: readonly Mapping[],
): Explanation {
  const credentials: readonly Credential[] = [...storedSecrets, ...mappings];
  const candidates = credentials.filter(({ pattern }) => covers(pattern, authority));
  const find = indexCredentials(storedSecrets, mappings);
  const winner = lookUp(() => find(authority, path));
  const described = candidates.map((candidate) => ({
    source: sourceOf(candidate),
    id: candidate.id,
    label: isStored(candidate) ? candidate.name : formatSecretReference(candidate.reference),
    outcome: outcomeOf(candidate, winner, path),
  }));
  const common = {
    host: formatAuthority(authority),
    path,
    candidates: described.toSorted((a, b) => Number(b.outcome === "wins") - Number(a.outcome === "wins")),
  };
  if (winner === "ambiguous") {
    return { ...common, result: "refused", removes: [] };
  }
  if (winner === undefined) {
    const isOpened = find(authority) !== undefined;
    return { ...common, result: isOpened ? "bare" : "untouched", removes: [] };
  }
  const rule = injectionRule(winner.rule, authority.host, path);
  const { placement, credentials: competing = [], variant } = rule;
  const sets = describePlacement(placement);
  const removes = [fieldOf(placement), ...competing.map(describeCredential)];
  return {
    ...common,
    result: "injected",
    sets,
    ...(variant !== undefined && {
      variant: { prefix: variant.prefix, sets: describePlacement(variant.placement) },
    }),
    removes: [...new Set(removes)],
  };
}

/** What becomes of an entry, and why, for a person. */
export const outcomeWords: Readonly<
  Record<(typeof outcomes)[number], { readonly verdict: string; readonly reason?: string }>
> = {
  wins: { verdict: "wins" },
  disabled: { verdict: "is disabled" },
  "other-path": { verdict: "is for another path" },
  "stored-wins": { verdict: "gives way", reason: "a stored secret wins over every mapping" },
  "closer-host-wins": { verdict: "gives way", reason: "another one names the host more closely" },
  "longer-path-wins": { verdict: "gives way", reason: "another one has a longer path" },
  "ambiguous-path": {
    verdict: "may be meant",
    reason: "servers could read the path in more than one way",
  },
};

/** In words: where a secret is put. */
export function describePlacement(placement: Placement): string {
  switch (placement.kind) {
    case "header":
      return `header ${placement.name}`;
    case "basic":
      return `header Authorization: Basic, user name ${JSON.stringify(placement.username)}`;
    case "query":
      return `query parameter ${placement.name}`;
  }
}

function lookUp(find: () => Credential | undefined): Credential | "ambiguous" | undefined {
  try {
    return find();
  } catch (error) {
    if (isOneCliError(error, "bad-request")) {
      return "ambiguous";
    }
    throw error;
  }
}

function outcomeOf(
  candidate: Credential,
  winner: Credential | "ambiguous" | undefined,
  path: string,
): (typeof outcomes)[number] {
  if (!candidate.enabled) {
    return "disabled";
  }
  if (winner === "ambiguous") {
    return "ambiguous-path";
  }
  if (candidate === winner) {
    return "wins";
  }
  if (
    winner === undefined ||
    (candidate.path !== everyPath && !readPath(path).strict.startsWith(candidate.path))
  ) {
    return "other-path";
  }
  if (isStored(winner) && !isStored(candidate)) {
    return "stored-wins";
  }
  return candidate.hostname === winner.hostname ? "longer-path-wins" : "closer-host-wins";
}

/** What a client may have put where the secret goes. */
function fieldOf(placement: Placement): string {
  return placement.kind === "query"
    ? `query parameter ${placement.name}`
    : `header ${placement.kind === "basic" ? "authorization" : placement.name.toLowerCase()}`;
}

function describeCredential(credential: string): string {
  return credential.startsWith("?") ? `query parameter ${credential.slice(1)}` : `header ${credential}`;
}
