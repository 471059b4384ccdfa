import { OneCliError } from "./errors.ts";
import { type Authority, indexHosts } from "./hostname.ts";
import { type Mapping } from "./mapping.ts";
import { everyPath, lenientPath, readPath } from "./requestPath.ts";
import { type StoredSecret } from "./storedSecret.ts";
import { type Target } from "./target.ts";

/** What a request may get: the value of a stored secret, or the one behind a mapping's reference. */
export type Credential = StoredSecret | Mapping;

export function isStored(credential: Credential): credential is StoredSecret {
  return "value" in credential;
}

export function sourceOf(credential: Credential): "stored" | "1password" {
  return isStored(credential) ? "stored" : "1password";
}

/**
 * Finds what belongs to a request: of the entries that fit, the one with the most specific host, then the longest path.
 * @param target the request's path and query; without it, any entry of the host is found.
 * @throws OneCliError `bad-request` where servers could read the path in ways that belong to different entries.
 */
export type TargetIndex<T> = (authority: Authority, target?: string) => T | undefined;

export type CredentialIndex = TargetIndex<Credential>;

/** A stored secret that fits wins over every mapping. */
export function indexCredentials(
  storedSecrets: readonly StoredSecret[],
  mappings: readonly Mapping[],
): CredentialIndex {
  const findMapping = indexTargets(mappings);
  if (storedSecrets.length === 0) {
    return findMapping;
  }
  const findStored = indexTargets(storedSecrets);
  return (authority, target) => findStored(authority, target) ?? findMapping(authority, target);
}

/** Of entries that are disabled nothing is found. */
export function indexTargets<T extends Target>(targets: readonly T[]): TargetIndex<T> {
  const find = indexHosts(
    targets
      .filter(({ enabled }) => enabled)
      .toSorted((a, b) => b.path.length - a.path.length)
      .map((entry) => [entry.pattern, entry] as const),
  );
  const lenientPrefixes = new Map(targets.map((entry) => [entry, lenientPath(entry.path)]));
  return (authority, target) => {
    const longest = find(authority);
    if (longest === undefined || longest.path === everyPath || target === undefined) {
      return longest;
    }
    const { strict, merged, lenient } = readPath(target);
    const found = find(authority, ({ path }) => strict.startsWith(path));
    const others = [
      find(authority, ({ path }) => merged.startsWith(path)),
      find(authority, (entry) => lenient.startsWith(lenientPrefixes.get(entry) ?? everyPath)),
    ];
    if (others.some((other) => other !== found)) {
      throw new OneCliError(
        "bad-request",
        `The path can be read in more than one way, and on ${authority.host} the secret depends on it.`,
      );
    }
    return found;
  };
}
