// Which variable points which tool at the gateway and makes it trust the gateway's certificates.
import { infoUrl } from "./internalSite.ts";
import { findService, coveredServices } from "./serviceRules.ts";
import { type Target } from "./target.ts";

export interface GatewayEndpoint {
  readonly port: number;
  readonly username: string;
  readonly password: string;
}

/** Files of public data that the variables point at. */
export interface TrustFiles {
  /** The gateway's own CA certificate, and nothing else. */
  readonly ca: string;
  /** Everything a tool trusted before, and the gateway's CA. */
  readonly bundle: string;
  /** For NODE_EXTRA_CA_CERTS: the gateway's CA, and the user's extra certificates if there were any. */
  readonly additions: string;
}

export interface TerminalEnvironment {
  readonly set: Readonly<Record<string, string>>;
  /** Variables that would lead around the gateway, or that the agent must not see. */
  readonly unset: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `127.0.0.1:PORT` of the gateway that set the proxy variables: a gateway started below it must not take itself for
 * its parent proxy.
 */
export const sessionMarker = "ONECLI_PROXY_SESSION";

export const tokenVariable = "OP_SERVICE_ACCOUNT_TOKEN";

/** These take the URL of the proxy. */
export const proxyVariables = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "http_proxy", // curl reads the plain-http proxy in lower case only
  "https_proxy",
  "WS_PROXY",
  "WSS_PROXY",
  "npm_config_proxy",
  "npm_config_https_proxy",
] as const;

/** These replace a tool's trust store, so they name the merged bundle. */
export const bundleVariables = [
  "SSL_CERT_FILE", // OpenSSL, Go on Linux, httpx, uv
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
  "AWS_CA_BUNDLE",
  "BUNDLE_SSL_CA_CERT",
  "npm_config_cafile",
  "NIX_SSL_CERT_FILE",
  "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
  "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
  "CODEX_CA_CERTIFICATE",
  "DENO_CERT",
] as const;

const localNames = ["localhost", "127.0.0.1", "::1"] as const;

/** Clients that read ALL_PROXY (often as SOCKS) would go around the gateway. */
export const bypassVariables = ["ALL_PROXY", "all_proxy"] as const;

/**
 * The variables of a terminal whose tools go through the gateway.
 * @param mapped the mappings and stored secrets.
 * @param base the environment before us: its NO_PROXY is kept and extended.
 */
export function terminalEnvironment(
  endpoint: GatewayEndpoint,
  files: TrustFiles,
  mapped: readonly Target[],
  base: Environment,
): TerminalEnvironment {
  const proxy = proxyUrl(endpoint);
  const noProxy = mergeNoProxy(base["NO_PROXY"] ?? base["no_proxy"]);
  const set: Record<string, string> = {};
  for (const name of proxyVariables) {
    set[name] = proxy;
  }
  for (const name of bundleVariables) {
    set[name] = files.bundle;
  }
  Object.assign(set, {
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    NODE_EXTRA_CA_CERTS: files.additions,
    // fetch and http of Node 22.21, 24 and later read the proxy variables only when told so.
    NODE_USE_ENV_PROXY: "1",
    // Otherwise git probes for other schemes first and reconnects.
    GIT_HTTP_PROXY_AUTHMETHOD: "basic",
    [sessionMarker]: `127.0.0.1:${endpoint.port}`,
    ONECLI_INFO_URL: infoUrl,
    ...placeholders(mapped),
  });
  return { set, unset: [...bypassVariables, tokenVariable] };
}

/** `http://`, never `https://`: Claude Code's WebFetch and Codex fail on a proxy URL with TLS. */
export function proxyUrl({ port, username, password }: GatewayEndpoint): string {
  return `http://${encodeURIComponent(username)}:${encodeURIComponent(password)}@127.0.0.1:${port}`;
}

function mergeNoProxy(existing = ""): string {
  const entries = existing
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  return [...new Set([...entries, ...localNames])].join(",");
}

/** Only for services that are mapped: elsewhere a placeholder would shadow the user's own key. */
function placeholders(mapped: readonly Target[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { enabled, pattern, path, rule } of mapped) {
    const named = rule?.kind === "service" ? findService(rule.id) : undefined;
    const services = named === undefined ? coveredServices(pattern, path) : [named];
    for (const service of enabled ? services : []) {
      Object.assign(found, service.placeholders);
    }
  }
  return found;
}
