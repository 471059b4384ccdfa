/** The entries of a NO_PROXY that keep a host (port 443) away from the proxy, in the reading that most tools share. */
export function entriesCovering(host: string, noProxy: string): string[] {
  return entriesOf(noProxy).filter((entry) => covers(entry, host));
}

export function entriesOf(noProxy: string): string[] {
  return noProxy
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function covers(entry: string, host: string): boolean {
  if (entry === "*") {
    return true;
  }
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  if (port !== undefined && port !== "443") {
    return false;
  }
  const suffix = name.replace(/^\*?\./, "");
  return suffix !== "" && (host === suffix || host.endsWith(`.${suffix}`));
}
