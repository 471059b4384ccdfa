import { type Placement } from "./injection.ts";
import { type Mapping } from "./mapping.ts";
import { injectionRule } from "./serviceRules.ts";

export interface MappingDescription {
  /** As it was written: a host, `*.` and a domain, with a port where it is not 443. */
  readonly host: string;
  /** Requests at and below it; `/` for all. */
  readonly path: string;
  /** Where the gateway puts the secret. */
  readonly credential: string;
  readonly enabled: boolean;
}

/** What an agent may know of a mapping: no reference, no vault, no value. */
export function describeMapping({ hostname, pattern, path, rule, enabled }: Mapping): MappingDescription {
  const { placement } = injectionRule(rule, pattern.host, path);
  return { host: hostname, path, credential: describePlacement(placement), enabled };
}

function describePlacement(placement: Placement): string {
  switch (placement.kind) {
    case "header":
      return `header ${placement.name}`;
    case "basic":
      return `header Authorization: Basic, user name ${JSON.stringify(placement.username)}`;
    case "query":
      return `query parameter ${placement.name}`;
  }
}
