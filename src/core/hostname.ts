// One normaliser for every place where a host name enters: mappings, CONNECT targets, Host fields. Whatever two
// spellings a resolver or a TLS stack would take for the same host must come out the same here, or a mapping could be
// dodged (or a secret drawn) by spelling.
import { getPublicSuffix } from "tldts";

/** A host as it is dialled and compared: lower case, A-labels, no trailing dot; IPv6 in brackets. */
export interface Authority {
  readonly host: string;
  readonly port: number;
  /** An IP literal: it never matches a wildcard. */
  readonly isAddress: boolean;
}

/** What a mapping covers: one host, or with `wildcard` every name below it (not the name itself). */
export interface HostPattern {
  readonly host: string;
  readonly port: number;
  readonly isAddress: boolean;
  readonly wildcard: boolean;
}

/** Says in a few words what is wrong with a host: "has a path". */
export class HostnameError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "HostnameError";
  }
}

export const httpsPort = 443;

/**
 * Reads `host`, `host:port` or `[v6]:port` as it stands in a CONNECT target or a Host field.
 * @throws HostnameError
 */
export function parseAuthority(text: string, defaultPort?: number): Authority {
  const { name, port } = splitPort(text);
  const effectivePort = port ?? defaultPort;
  if (effectivePort === undefined) {
    throw new HostnameError("has no port");
  }
  return { ...normaliseHost(name), port: effectivePort };
}

/**
 * Reads the hostname of a mapping: a host, or `*.` and a host, with an optional port (443 otherwise).
 * @throws HostnameError for what is no host and for what is too wide (gateway contract, point 34).
 */
export function parseHostPattern(text: string): HostPattern {
  if (text.includes("://")) {
    throw new HostnameError("has a scheme");
  }
  const wildcard = text.startsWith("*");
  if (wildcard && !text.startsWith("*.")) {
    throw new HostnameError("has a star that is not one leading *.");
  }
  const { name, port } = splitPort(wildcard ? text.slice(2) : text);
  if (name.includes("*")) {
    throw new HostnameError("has a star that is not one leading *.");
  }
  const { host, isAddress } = normaliseHost(name);
  if (wildcard) {
    refuseTooWide(host, isAddress);
  }
  return { host, isAddress, wildcard, port: port ?? httpsPort };
}

/** The canonical text of a pattern: equal texts, equal hosts. */
export function formatHostPattern({ host, port, wildcard }: HostPattern): string {
  return (wildcard ? "*." : "") + formatAuthority({ host, port });
}

/** `host`, or `host:port` where the port is not 443. */
export function formatAuthority({ host, port }: Pick<Authority, "host" | "port">): string {
  return port === httpsPort ? host : `${host}:${port}`;
}

/** Whether a host is among those of a pattern. */
export function covers(pattern: HostPattern, { host, port, isAddress }: Authority): boolean {
  if (pattern.port !== port) {
    return false;
  }
  return pattern.wildcard ? !isAddress && host.endsWith(`.${pattern.host}`) : host === pattern.host;
}

/**
 * Builds a look-up from patterns to values: exact before wildcard, the longer wildcard before the shorter, values of
 * one pattern in their order. Its cost grows with the labels of the host asked for, not with the number of patterns.
 * The look-up finds the first value that suits.
 */
export function indexHosts<T>(
  entries: Iterable<readonly [HostPattern, T]>,
): (authority: Authority, suits?: (value: T) => boolean) => T | undefined {
  const exact = new Map<string, T[]>();
  const wildcards = new Map<string, T[]>();
  for (const [pattern, value] of entries) {
    const key = `${pattern.host}:${pattern.port}`;
    const index = pattern.wildcard ? wildcards : exact;
    const values = index.get(key);
    if (values === undefined) {
      index.set(key, [value]);
    } else {
      values.push(value);
    }
  }
  return ({ host, port, isAddress }, suits = () => true) => {
    const found = exact.get(`${host}:${port}`)?.find(suits);
    if (found !== undefined || isAddress || wildcards.size === 0) {
      return found;
    }
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      const value = wildcards.get(`${host.slice(dot + 1)}:${port}`)?.find(suits);
      if (value !== undefined) {
        return value;
      }
    }
    return undefined;
  };
}

/** A host as resolvers and certificates name it: IPv6 without its brackets. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function splitPort(text: string): { name: string; port?: number } {
  // An IPv6 address without brackets has no port: every colon belongs to it.
  if (/^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i.test(text)) {
    return { name: `[${text}]` };
  }
  const colon = text.lastIndexOf(":");
  if (colon === -1 || text.indexOf("]", colon) !== -1) {
    return { name: text };
  }
  const digits = text.slice(colon + 1);
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port < 1 || port > 65_535) {
    throw new HostnameError("has a port that is no number from 1 to 65535");
  }
  return { name: text.slice(0, colon), port };
}

const forbiddenCharacters: readonly (readonly [RegExp, string])[] = [
  // eslint-disable-next-line no-control-regex -- the URL parser would drop tab and newline silently.
  [/[\s\u0000-\u0020\u007f]/, "has a blank or a control character"],
  [/@/, "has a user name"],
  [/[/\\]/, "has a path"],
  [/\?/, "has a query"],
  [/#/, "has a fragment"],
];

function normaliseHost(text: string): { host: string; isAddress: boolean } {
  if (text === "") {
    throw new HostnameError("is empty");
  }
  for (const [pattern, reason] of forbiddenCharacters) {
    if (pattern.test(text)) {
      throw new HostnameError(reason);
    }
  }
  let hostname: string;
  try {
    // WHATWG's host parser: case, percent-encoding, IDNA, and IPv4 in any of its odd forms (127.1, 0x7f.1).
    ({ hostname } = new URL(`https://${text}/`));
  } catch {
    throw new HostnameError("is no host name");
  }
  if (hostname.startsWith("[")) {
    return { host: hostname, isAddress: true };
  }
  if (text.includes(":")) {
    // Neither brackets nor a port: the URL parser has read something else than a host.
    throw new HostnameError("is no host name");
  }
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) {
    return { host, isAddress: true };
  }
  for (const label of host.split(".")) {
    if (label === "") {
      throw new HostnameError("has an empty label");
    }
    if (!/^[a-z0-9_-]{1,63}$/.test(label)) {
      throw new HostnameError("is no host name");
    }
  }
  if (host.length > 253) {
    throw new HostnameError("is longer than 253 characters");
  }
  return { host, isAddress: false };
}

function refuseTooWide(host: string, isAddress: boolean): void {
  if (isAddress) {
    throw new HostnameError("has a wildcard over an IP address");
  }
  if (!host.includes(".") || getPublicSuffix(host, { allowPrivateDomains: true }) === host) {
    throw new HostnameError("is a wildcard over a public suffix, which covers hosts of many owners");
  }
}
