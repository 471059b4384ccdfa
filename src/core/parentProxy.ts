// The proxy that this machine had before us: how it is written, and where it is found.
import { type Authority, HostnameError, parseAuthority } from "./hostname.ts";
import { sessionMarker } from "./terminalEnvironment.ts";

/** A parent proxy; its host, like any other, in canonical form. */
export interface ParentProxy extends Authority {
  readonly kind: "http" | "https" | "socks5";
  /** Value of `Proxy-Authorization`, for the kinds http and https. */
  readonly authorization?: string;
  /** For the kind socks5 (RFC 1929). */
  readonly login?: Login;
  /** How errors call it; "parent proxy" without it. */
  readonly title?: string;
}

export function titleOf({ title = "parent proxy" }: ParentProxy): string {
  return title;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Says what is wrong with a parent proxy's URL, without the URL: it may hold a password. */
export class ParentProxyError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "ParentProxyError";
  }
}

/** SOCKS 5 gets the name of a host in any case: `socks5h` says so, and `socks5` is not taken to mean otherwise. */
const schemes: Readonly<Record<string, { readonly kind: ParentProxy["kind"]; readonly port: number }>> = {
  "http:": { kind: "http", port: 80 },
  "https:": { kind: "https", port: 443 },
  "socks5:": { kind: "socks5", port: 1080 },
  "socks5h:": { kind: "socks5", port: 1080 },
};

/** A part of a SOCKS login has its length in one byte. */
const longestLogin = 255;

/**
 * Reads `scheme://[user:password@]host[:port]`; without a scheme, http.
 * @param authorization value of `Proxy-Authorization` for an http or https proxy, instead of the URL's credentials.
 * @throws ParentProxyError
 */
export function parseParentProxy(text: string, authorization?: string): ParentProxy {
  let url: URL;
  try {
    // A bare host:port is what many people write in HTTPS_PROXY.
    url = new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    throw new ParentProxyError("is no URL");
  }
  const scheme = schemes[url.protocol];
  if (scheme === undefined) {
    throw new ParentProxyError(`has the scheme ${url.protocol}// where http, https or socks5 is wanted`);
  }
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") {
    throw new ParentProxyError("has a path, a query or a fragment");
  }
  const { kind } = scheme;
  const given = kind === "socks5" ? undefined : authorization;
  return {
    kind,
    ...parseHost(url.host, scheme.port),
    ...(given === undefined ? credentials(kind, url) : { authorization: fieldValue(given) }),
  };
}

function fieldValue(text: string): string {
  if (!/^[\x20-\x7e]+$/.test(text)) {
    throw new ParentProxyError("has an authorization that is no value of a header field");
  }
  return text;
}

function parseHost(text: string, defaultPort: number): Authority {
  try {
    return parseAuthority(text, defaultPort);
  } catch (error) {
    if (error instanceof HostnameError) {
      throw new ParentProxyError(`has a host that ${error.message}`);
    }
    throw error;
  }
}

function credentials(kind: ParentProxy["kind"], url: URL): Pick<ParentProxy, "authorization" | "login"> {
  const [username, password] = [decode(url.username), decode(url.password)];
  if (username === "" && password === "") {
    return {};
  }
  if (kind !== "socks5") {
    return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  }
  if ([username, password].some((part) => Buffer.byteLength(part) > longestLogin)) {
    throw new ParentProxyError(`has a user name or password of more than ${longestLogin} bytes`);
  }
  return { login: { username, password } };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ParentProxyError("has a user name or password with a % that stands for nothing");
  }
}

/**
 * The parent proxy that the gateway's own environment names, unless that is a gateway of ours: inside a terminal of
 * ours the variables lead back to it.
 * @throws ParentProxyError
 */
export function parentProxyOfEnvironment(environment: Environment): ParentProxy | undefined {
  for (const name of ["HTTPS_PROXY", "https_proxy"]) {
    const text = environment[name] ?? "";
    // A variable that is set to nothing counts as not set.
    if (text !== "") {
      const parent = parseParentProxy(text);
      const host = isLoopback(parent) ? "127.0.0.1" : parent.host;
      if (`${host}:${parent.port}` !== environment[sessionMarker]) {
        return parent;
      }
    }
  }
  return undefined;
}

/**
 * Holds a parent proxy against the port of the gateway itself, which it would ask for ever.
 * @throws ParentProxyError
 */
export function assertNotItself(parent: ParentProxy, ownPort: number): void {
  if (isLoopback(parent) && parent.port === ownPort) {
    throw new ParentProxyError(
      "leads back to this gateway; name the proxy that this machine had before it, or none",
    );
  }
}

/** What a connection to 127.0.0.1 may be written as; a gateway listens nowhere else. */
const loopbackHosts = new Set(["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:7f00:1]"]);

function isLoopback({ host }: ParentProxy): boolean {
  return loopbackHosts.has(host);
}

/** What the gateway's own environment wants to be reached without a parent proxy. */
export function noProxyOfEnvironment(environment: Environment): string[] {
  return ["NO_PROXY", "no_proxy"].flatMap((name) => environment[name] ?? []);
}
