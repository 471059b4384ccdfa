import { OneCliError } from "./errors.ts";
import { type Authority, indexHosts } from "./hostname.ts";
import { type Mapping } from "./mapping.ts";
import { everyPath, lenientPath, readPath } from "./requestPath.ts";

/**
 * Finds the mapping of a request: of those that fit, the one with the most specific host, then the longest path.
 * @param target the request's path and query; without it, any mapping of the host is found.
 * @throws OneCliError `bad-request` where servers could read the path in ways that belong to different mappings.
 */
export type MappingIndex = (authority: Authority, target?: string) => Mapping | undefined;

/** Of mappings that are disabled nothing is found. */
export function indexMappings(mappings: readonly Mapping[]): MappingIndex {
  const find = indexHosts(
    mappings
      .filter(({ enabled }) => enabled)
      .toSorted((a, b) => b.path.length - a.path.length)
      .map((mapping) => [mapping.pattern, mapping] as const),
  );
  const lenientPrefixes = new Map(mappings.map((mapping) => [mapping, lenientPath(mapping.path)]));
  return (authority, target) => {
    const longest = find(authority);
    if (longest === undefined || longest.path === everyPath || target === undefined) {
      return longest;
    }
    const { strict, merged, lenient } = readPath(target);
    const found = find(authority, ({ path }) => strict.startsWith(path));
    const others = [
      find(authority, ({ path }) => merged.startsWith(path)),
      find(authority, (mapping) => lenient.startsWith(lenientPrefixes.get(mapping) ?? everyPath)),
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
