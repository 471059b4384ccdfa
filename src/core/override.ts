import { covers, type HostPattern } from "./hostname.ts";
import { type Target } from "./target.ts";

export interface Override<T> {
  /** The stored secret that takes requests away from a mapping. */
  readonly by: T;
  /** All of them, or only some. */
  readonly all: boolean;
}

/** The stored secret that wins over a mapping, were each for the same request; one that wins always before others. */
export function findOverride<T extends Target>(
  mapping: Target,
  storedSecrets: readonly T[],
): Override<T> | undefined {
  const rivals = storedSecrets.filter(
    (stored) =>
      stored.enabled &&
      (contains(stored.pattern, mapping.pattern) || contains(mapping.pattern, stored.pattern)) &&
      (mapping.path.startsWith(stored.path) || stored.path.startsWith(mapping.path)),
  );
  const always = rivals.find(
    (stored) => contains(stored.pattern, mapping.pattern) && mapping.path.startsWith(stored.path),
  );
  const by = always ?? rivals[0];
  return by === undefined ? undefined : { by, all: by === always };
}

/** Whether every host of `inner` is one of `outer`. */
function contains(outer: HostPattern, inner: HostPattern): boolean {
  return inner.wildcard
    ? outer.wildcard &&
        outer.port === inner.port &&
        (inner.host === outer.host || inner.host.endsWith(`.${outer.host}`))
    : covers(outer, inner);
}
