import { describePlacement } from "./explanation.ts";
import { injectionRule } from "./serviceRules.ts";
import { type Target } from "./target.ts";

export interface MappingDescription {
  /** As it was written: a host, `*.` and a domain, with a port where it is not 443. */
  readonly host: string;
  /** Requests at and below it; `/` for all. */
  readonly path: string;
  /** Where the gateway puts the secret. */
  readonly credential: string;
  readonly enabled: boolean;
}

/** What an agent may know of a mapping or stored secret: no reference, no name, no value. */
export function describeMapping({ hostname, pattern, path, rule, enabled }: Target): MappingDescription {
  const { placement } = injectionRule(rule, pattern.host, path);
  return { host: hostname, path, credential: describePlacement(placement), enabled };
}
