// Which known service a request or a mapping belongs to, and what follows from that.
import { type HostPattern, httpsPort, indexHosts } from "./hostname.ts";
import { type InjectionRule, type Placement, type RequestHead } from "./injection.ts";
import { mayHoldPlaceholder } from "./placeholders.ts";
import { everyPath, readPath } from "./requestPath.ts";
import { bearer, type KnownService, knownServices } from "./services.ts";

/** How a secret is sent, as it is written down: spelled out, or as a known service takes it. */
export type Rule = Placement | { readonly kind: "service"; readonly id: string };

const byId = new Map(knownServices.map((service) => [service.id, service]));

const findByHost = indexHosts(
  knownServices
    .toSorted((a, b) => (b.path ?? everyPath).length - (a.path ?? everyPath).length)
    .flatMap((service) => service.hosts.map((host) => [patternOf(host), service] as const)),
);

export function findService(id: string): KnownService | undefined {
  return byId.get(id);
}

/** @param target path and query of the request; without one, the service of any path. */
export function serviceOfHost(host: string, target?: string): KnownService | undefined {
  const authority = { host, port: httpsPort, isAddress: false };
  const first = findByHost(authority);
  if (first?.path === undefined || target === undefined) {
    return first;
  }
  const { strict } = readPath(target);
  return findByHost(authority, ({ path = everyPath }) => strict.startsWith(path));
}

/** Known services that requests of a mapping may go to. */
export function coveredServices(pattern: HostPattern, path: string): readonly KnownService[] {
  return knownServices.filter(
    (service) =>
      pattern.port === httpsPort &&
      service.hosts.some((host) => overlap(pattern, patternOf(host))) &&
      isEitherPrefix(path, service.path ?? everyPath),
  );
}

function overlap(a: HostPattern, b: HostPattern): boolean {
  return (
    (a.host === b.host && a.wildcard === b.wildcard) ||
    (a.wildcard && b.host.endsWith(`.${a.host}`)) ||
    (b.wildcard && a.host.endsWith(`.${b.host}`))
  );
}

function isEitherPrefix(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/**
 * How the secret gets into a request: by the mapping's rule; where it has none, as the known service of the host wants
 * it; else as `Authorization: Bearer`.
 */
export function injectionRule(rule: Rule | undefined, host: string, target: string): InjectionRule {
  const service = rule?.kind === "service" ? byId.get(rule.id) : serviceOfHost(host, target);
  if (rule === undefined || rule.kind === "service") {
    return serviceRule(service);
  }
  return { placement: rule, ...(service?.credentials !== undefined && { credentials: service.credentials }) };
}

/** How a service takes its secret; without one, the default. */
export function serviceRule(service: KnownService | undefined): InjectionRule {
  return {
    placement: service?.placement ?? bearer,
    ...(service?.credentials !== undefined && { credentials: service.credentials }),
    ...(service?.variant !== undefined && { variant: service.variant }),
  };
}

/** Every placeholder and the services that it stands for. */
const servicesByPlaceholder = Map.groupBy(
  knownServices.flatMap((service) =>
    [...new Set(Object.values(service.placeholders))].map((placeholder) => ({ placeholder, service })),
  ),
  ({ placeholder }) => placeholder,
);

/**
 * The service whose placeholder a request carries to a host that is not the service's: an agent holds it for one
 * service and gives it to another.
 */
export function leakedPlaceholder({ headers, path }: RequestHead, host: string): string | undefined {
  for (let index = 1; index < headers.length; index += 2) {
    const leaked = leakedIn(headers[index] ?? "", host);
    if (leaked !== undefined) {
      return leaked;
    }
  }
  return leakedIn(path, host);
}

function leakedIn(text: string, host: string): string | undefined {
  const plain = /^basic /i.test(text) ? decodeBase64(text.slice(6)) : text;
  if (!mayHoldPlaceholder(plain)) {
    return undefined;
  }
  for (const [placeholder, owners] of servicesByPlaceholder) {
    if (plain.includes(placeholder) && !owners.some(({ service }) => belongsTo(service, host))) {
      return owners[0]?.service.id;
    }
  }
  return undefined;
}

function belongsTo({ hosts, kin = [] }: KnownService, host: string): boolean {
  return [...hosts, ...kin].some((own) =>
    own.startsWith("*.") ? host.endsWith(own.slice(1)) : host === own,
  );
}

function decodeBase64(text: string): string {
  try {
    return atob(text.trim());
  } catch {
    return "";
  }
}

/** The table's own hosts are canonical already, and some are wildcards that a mapping must not have. */
function patternOf(host: string): HostPattern {
  const wildcard = host.startsWith("*.");
  return { host: wildcard ? host.slice(2) : host, port: httpsPort, isAddress: false, wildcard };
}
