import { BlockList, isIP } from "node:net";
import { type Authority, parseAuthority, withoutBrackets } from "../core/hostname.ts";

/** Hosts that are reached without the parent proxy. */
export interface NoProxy {
  readonly covers: (authority: Authority) => boolean;
  /** Entries that mean nothing; they are left out. */
  readonly broken: readonly string[];
}

/** 0: any port. */
type Ports = Set<number>;

/**
 * Reads lists as NO_PROXY has them, separated by commas or blanks. An entry is `*`, a name (which covers what is below
 * it; `.name` and `*.name` say the same), an IP address, each with an optional `:port`, or a CIDR range.
 */
export function parseNoProxy(lists: readonly string[]): NoProxy {
  const names = new Map<string, Ports>();
  const ranges = new BlockList();
  const broken: string[] = [];
  for (const entry of lists.flatMap((list) => list.split(/[\s,]+/)).filter((text) => text !== "")) {
    try {
      if (entry.includes("/")) {
        addRange(ranges, entry);
      } else {
        const { host, port } = parseEntry(entry);
        names.set(host, (names.get(host) ?? new Set()).add(port));
      }
    } catch {
      broken.push(entry);
    }
  }
  const isNamed = (name: string, port: number) => {
    const ports = names.get(name);
    return ports !== undefined && (ports.has(0) || ports.has(port));
  };
  const covers = ({ host, port, isAddress }: Authority): boolean => {
    if (isNamed("*", port) || isNamed(host, port)) {
      return true;
    }
    if (isAddress) {
      const address = withoutBrackets(host);
      return ranges.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
    }
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      if (isNamed(host.slice(dot + 1), port)) {
        return true;
      }
    }
    return false;
  };
  return { covers, broken };
}

/** @throws Error where it is no range. */
function addRange(ranges: BlockList, entry: string): void {
  const [, address = "", prefix = ""] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const bare = withoutBrackets(address);
  ranges.addSubnet(bare, Number(prefix), isIP(bare) === 6 ? "ipv6" : "ipv4");
}

/** @throws HostnameError */
function parseEntry(entry: string): { host: string; port: number } {
  const star = /^\*(?::(\d{1,5}))?$/.exec(entry);
  return star === null
    ? parseAuthority(entry.replace(/^\*?\./, ""), 0)
    : { host: "*", port: Number(star[1] ?? 0) };
}
