// The tools that the doctor knows: how each is asked for one request, one stream of events, one WebSocket.
import { go, java, javaScript, pythonHttpx, pythonRequests, pythonUrllib } from "./scripts.ts";
import { type Environment } from "./subprocess.ts";

export interface ProbeTarget {
  /** `https://` and a host that only this probe knows, without a slash at its end. */
  readonly url: string;
  readonly host: string;
}

export interface ProbeCommand {
  readonly args: readonly string[];
  readonly env?: Environment;
  /** Files of the probe's own folder, in which it runs, by their path. */
  readonly files?: Readonly<Record<string, string>>;
  /** The user's files (`~` is the home folder) to have copies of there, where they exist. */
  readonly copies?: Readonly<Record<string, string>>;
}

type Check = (target: ProbeTarget) => ProbeCommand;

/** A tool that can be made to call any host. */
export interface CallingTool {
  readonly kind: "calling";
  readonly name: string;
  /** Names on the PATH, the first that is there. */
  readonly programs: readonly string[];
  /** Prints the version; fails where the tool, or the library that is meant, is not there. */
  readonly version: readonly string[];
  readonly request: Check;
  /** Prints events as they come; a reason where the tool has no streams. */
  readonly stream: Check | string;
  /** Sends a message and prints `echo: ` and what comes back, or prints `greeting`. */
  readonly webSocket: ((version: string) => Check | string) | string;
  /** Why it speaks no HTTP/2, where the gateway sees none; nothing where that is a fault. */
  readonly h2: { readonly unable?: (version: string, output: string) => string | undefined } | string;
  /** It compiles or builds something before it calls. */
  readonly slow?: true;
  /** Where a proxy or an authority of the tool's own comes from, if the environment is right. */
  readonly fix: { readonly proxy: string; readonly ca: string };
  /** Output of a tool that is there and cannot run the probe at all. */
  readonly unfit?: { readonly output: RegExp; readonly reason: string };
  /** What the cells of proxy and CA say where it works by more than the variables. */
  readonly as?: string;
  /** What the cell of the WebSocket says where it works by more than the variables. */
  readonly webSocketAs?: string;
  /** Said below the table where the tool is there. */
  readonly note?: string;
}

/** An agent that calls its vendor and nobody else: what can be proved is that it finds what it reads. */
export interface AgentTool {
  readonly kind: "agent";
  readonly name: string;
  readonly programs: readonly string[];
  /** Variables of which one is enough. */
  readonly proxy: readonly string[];
  readonly ca: readonly string[];
  /** Files of its own that may overrule the environment. */
  readonly settings: readonly SettingsFile[];
}

export interface SettingsFile {
  /** `~` is the home folder. */
  readonly file: string;
  /** What in the text overrules the environment, in words; empty where nothing does. */
  readonly overrules: (text: string) => readonly string[];
}

export type Tool = CallingTool | AgentTool;

const oneDotOne = "it speaks HTTP/1.1 only";
const noStreams = "it has no streams";
const noWebSocket = "it has no WebSocket";

function script(name: string, source: string, start: readonly string[]) {
  const check =
    (what: string): Check =>
    ({ url }) => ({ args: [...start, name, what, url], files: { [name]: source } });
  return { request: check("request"), stream: check("stream"), socket: check("socket") };
}

const nodeScript = script("probe.mjs", javaScript, []);
const denoScript = script("probe.mjs", javaScript, [
  "run",
  "--no-config",
  "--quiet",
  "--allow-net",
  "--allow-env",
]);
const bunScript = script("probe.mjs", javaScript, ["run"]);
const goScript = script("probe.go", go, ["run"]);
// The JDK refuses Basic to a proxy for https unless told otherwise.
const javaProgram = script("Probe.java", java, ["-Djdk.http.auth.tunneling.disabledSchemes="]);

function python(library: string, source: string, rest: Pick<CallingTool, "h2" | "fix">): CallingTool {
  const { request, stream } = script("probe.py", source, []);
  return {
    kind: "calling",
    name: `python-${library}`,
    programs: ["python3", "python"],
    version:
      library === "urllib"
        ? ["-c", "import platform; print(platform.python_version())"]
        : ["-c", `import ${library}; print(${library}.__version__)`],
    request,
    stream,
    webSocket: noWebSocket,
    ...rest,
  };
}

const ownProxy = (where: string) =>
  `The variables are right, so something of the tool's own leads it elsewhere: look for a proxy in ${where} and take it out.`;
const ownCa = (variable: string, where: string) =>
  `It takes its authorities from ${variable}: look for other ones in ${where} and take them out.`;

export const tools: readonly Tool[] = [
  {
    kind: "calling",
    name: "curl",
    programs: ["curl"],
    version: ["--version"],
    request: ({ url }) => ({
      args: ["--silent", "--show-error", `${url}/`],
    }),
    stream: ({ url }) => ({ args: ["--silent", "--show-error", "--no-buffer", `${url}/events`] }),
    webSocket: (version: string) =>
      /^Protocols:.*\bwss\b/m.test(version)
        ? ({ host }: ProbeTarget) => ({
            args: ["--silent", "--show-error", "--no-buffer", `wss://${host}/greeting`],
          })
        : "this curl was built without WebSocket",
    h2: {
      unable: (version) => (/\bHTTP2\b/.test(version) ? undefined : "this curl was built without HTTP/2"),
    },
    fix: {
      proxy: ownProxy("~/.curlrc (proxy, noproxy)"),
      ca: ownCa("CURL_CA_BUNDLE", "~/.curlrc (cacert, capath)"),
    },
  },
  {
    kind: "calling",
    name: "wget",
    programs: ["wget"],
    version: ["--version"],
    request: ({ url }) => ({ args: ["--no-verbose", "--tries=1", "--output-document=-", `${url}/`] }),
    stream: ({ url }) => ({ args: ["--no-verbose", "--tries=1", "--output-document=-", `${url}/events`] }),
    webSocket: noWebSocket,
    h2: oneDotOne,
    fix: {
      proxy: ownProxy("~/.wgetrc and /etc/wgetrc (https_proxy, use_proxy)"),
      ca: 'A wget that is built with GnuTLS reads no variable for its authorities: run wget --ca-certificate="$SSL_CERT_FILE", or write ca_certificate = (the file of SSL_CERT_FILE) into ~/.wgetrc.',
    },
  },
  {
    kind: "calling",
    name: "git",
    programs: ["git"],
    version: ["--version"],
    request: ({ url }) => ({
      args: ["ls-remote", `${url}/repository.git`],
      env: { GIT_TERMINAL_PROMPT: "0" },
    }),
    stream: noStreams,
    webSocket: noWebSocket,
    h2: {},
    fix: {
      proxy: ownProxy("git config --show-origin --get-regexp '^http\\..*proxy'"),
      ca: ownCa("GIT_SSL_CAINFO", "git config --show-origin --get-regexp '^http\\..*sslca'"),
    },
  },
  {
    kind: "calling",
    name: "gh",
    programs: ["gh"],
    version: ["--version"],
    request: ({ host }) => ({
      args: ["api", "--hostname", host, "probe"],
      env: { GH_ENTERPRISE_TOKEN: "placeholder", GH_PROMPT_DISABLED: "1", GH_NO_UPDATE_NOTIFIER: "1" },
    }),
    stream: noStreams,
    webSocket: noWebSocket,
    h2: {},
    fix: {
      proxy: ownProxy("~/.config/gh/config.yml (http_unix_socket)"),
      ca: "gh trusts SSL_CERT_FILE on Linux only. On macOS and Windows it asks the system: add the gateway's CA to your login keychain (the user's certificate store), if you want gh to go through it.",
    },
  },
  {
    kind: "calling",
    name: "node",
    programs: ["node"],
    version: ["--version"],
    request: nodeScript.request,
    stream: nodeScript.stream,
    webSocket: (version: string) =>
      Number(/^v(\d+)/.exec(version)?.[1] ?? 0) < 22 ? "Node has one from version 22 on" : nodeScript.socket,
    h2: "its fetch speaks HTTP/1.1 only",
    fix: {
      proxy:
        "fetch and http of Node read the proxy variables from version 22.21 and 24.5 on (NODE_USE_ENV_PROXY). Update Node, or give the program a proxy agent of its own.",
      ca: "Node takes the gateway's CA from NODE_EXTRA_CA_CERTS: look for --use-openssl-ca or another file in NODE_OPTIONS.",
    },
  },
  {
    kind: "calling",
    name: "deno",
    programs: ["deno"],
    version: ["--version"],
    request: denoScript.request,
    stream: denoScript.stream,
    webSocket: () => denoScript.socket,
    h2: {},
    fix: { proxy: ownProxy("DENO_* variables"), ca: ownCa("DENO_CERT", "DENO_TLS_CA_STORE") },
  },
  {
    kind: "calling",
    name: "bun",
    programs: ["bun"],
    version: ["--version"],
    request: bunScript.request,
    stream: bunScript.stream,
    webSocket: () => bunScript.socket,
    h2: "its fetch speaks HTTP/1.1 only",
    fix: {
      proxy: ownProxy("bunfig.toml and .env files"),
      ca: ownCa("NODE_EXTRA_CA_CERTS", "bunfig.toml ([install] cafile)"),
    },
    webSocketAs: "by option",
    note: "WebSockets of bun read no proxy variable, so a program's go around the gateway unless it says new WebSocket(url, { proxy: process.env.HTTPS_PROXY }), as the probe does.",
  },
  python("urllib", pythonUrllib, {
    h2: oneDotOne,
    fix: {
      proxy: ownProxy("the program (ProxyHandler)"),
      ca: ownCa("SSL_CERT_FILE", "the program (ssl contexts, certifi)"),
    },
  }),
  python("requests", pythonRequests, {
    h2: oneDotOne,
    fix: {
      proxy: ownProxy("the program (Session.trust_env, proxies) and ~/.netrc"),
      ca: ownCa("REQUESTS_CA_BUNDLE", "the program (verify)"),
    },
  }),
  python("httpx", pythonHttpx, {
    h2: {
      unable: (_version, output) =>
        output.includes("without h2") ? "the package h2 is not installed" : undefined,
    },
    fix: {
      proxy: ownProxy("the program (trust_env, proxy)"),
      ca: ownCa(
        "SSL_CERT_FILE",
        "the program (verify); httpx reads the variable up to 0.27 and from 0.28.1 on",
      ),
    },
  }),
  {
    kind: "calling",
    name: "pip",
    programs: ["pip3", "pip"],
    version: ["--version"],
    request: ({ url }) => ({
      args: [
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--retries=0",
        "--timeout=10",
        `--index-url=${url}/simple/`,
        "--dest=files",
        "onecli-doctor",
      ],
    }),
    stream: noStreams,
    webSocket: noWebSocket,
    h2: oneDotOne,
    fix: {
      proxy: ownProxy("pip config debug (proxy)"),
      ca: ownCa("PIP_CERT", "pip config debug (cert)"),
    },
  },
  {
    kind: "calling",
    name: "uv",
    programs: ["uv"],
    version: ["--version"],
    request: ({ url }) => ({
      args: ["pip", "install", "--no-cache", `--index-url=${url}/simple/`, "--target=files", "onecli-doctor"],
      env: { UV_HTTP_TIMEOUT: "10", UV_HTTP_RETRIES: "0" },
    }),
    stream: noStreams,
    webSocket: noWebSocket,
    h2: {},
    fix: {
      proxy: ownProxy("uv.toml"),
      ca: ownCa("SSL_CERT_FILE", "uv.toml (allow-insecure-host, native-tls)"),
    },
    slow: true,
  },
  {
    kind: "calling",
    name: "cargo",
    programs: ["cargo"],
    version: ["--version"],
    request: ({ url }) => ({
      args: ["generate-lockfile", "--color=never"],
      // An index of its own, so that nothing of the probe stays in the user's cache; the user's settings are copied.
      env: { CARGO_HOME: "cargo-home", CARGO_NET_RETRY: "0", CARGO_HTTP_TIMEOUT: "10" },
      files: {
        "Cargo.toml": `[package]\nname = "probe"\nversion = "0.0.0"\n[dependencies]\nonecli-doctor = { version = "1", registry = "doctor" }\n`,
        "src/lib.rs": "",
        ".cargo/config.toml": `[registries.doctor]\nindex = "sparse+${url}/index/"\n`,
      },
      copies: { "cargo-home/config.toml": "~/.cargo/config.toml" },
    }),
    stream: noStreams,
    webSocket: noWebSocket,
    h2: {},
    fix: {
      proxy: ownProxy(
        "~/.cargo/config.toml ([http] proxy) and git config (http.proxy), which come before the variables",
      ),
      ca: ownCa("CARGO_HTTP_CAINFO", "~/.cargo/config.toml ([http] cainfo)"),
    },
    slow: true,
  },
  {
    kind: "calling",
    name: "go",
    programs: ["go"],
    version: ["version"],
    request: goScript.request,
    stream: goScript.stream,
    webSocket: "its standard library has none",
    h2: {},
    fix: {
      proxy: ownProxy("the program (http.Transport.Proxy)"),
      ca: "Go trusts SSL_CERT_FILE on Linux only. On macOS and Windows it asks the system: add the gateway's CA to your login keychain (the user's certificate store), or give the program the pool of that file.",
    },
    slow: true,
  },
  {
    kind: "calling",
    name: "java",
    programs: ["java"],
    version: ["-version"],
    request: javaProgram.request,
    stream: javaProgram.stream,
    webSocket: () => javaProgram.socket,
    h2: {},
    fix: {
      proxy:
        "Give the program the proxy's host, port, user name and password (java.net.ProxySelector, Authenticator).",
      ca: "Give the program a trust store that holds the gateway's CA (the file of NODE_EXTRA_CA_CERTS).",
    },
    unfit: {
      output: /jdk\.compiler|ClassNotFoundException|Could not find or load main class|NoClassDefFoundError/,
      reason: "this Java has no compiler, or is older than 11: the probe cannot run",
    },
    as: "by options",
    note: "java reads neither the proxy variables nor a file of certificates, so a program goes through the gateway only if it is told to: -Dhttps.proxyHost and -Dhttps.proxyPort, -Djdk.http.auth.tunneling.disabledSchemes= (Basic is off otherwise), an Authenticator, and a trust store with the gateway's CA. The probe does all of it itself.",
    slow: true,
  },
  {
    kind: "agent",
    name: "claude",
    programs: ["claude"],
    proxy: ["HTTPS_PROXY", "https_proxy"],
    ca: ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
    settings: [
      { file: "~/.claude/settings.json", overrules: variablesInJson },
      { file: ".claude/settings.json", overrules: variablesInJson },
      { file: ".claude/settings.local.json", overrules: variablesInJson },
    ],
  },
  {
    kind: "agent",
    name: "codex",
    programs: ["codex"],
    proxy: ["HTTPS_PROXY", "https_proxy"],
    ca: ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"],
    settings: [{ file: "~/.codex/config.toml", overrules: codexSettings }],
  },
  {
    kind: "agent",
    name: "gemini",
    programs: ["gemini"],
    proxy: ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY"],
    ca: ["NODE_EXTRA_CA_CERTS"],
    settings: [
      { file: "~/.gemini/settings.json", overrules: geminiSettings },
      { file: "~/.gemini/.env", overrules: variablesInEnvFile },
      { file: ".gemini/.env", overrules: variablesInEnvFile },
    ],
  },
  {
    kind: "agent",
    name: "opencode",
    programs: ["opencode"],
    proxy: ["HTTPS_PROXY", "https_proxy"],
    ca: ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
    // opencode.json has no proxy.
    settings: [],
  },
  {
    kind: "agent",
    name: "copilot",
    programs: ["copilot"],
    proxy: ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY"],
    ca: ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE"],
    // proxyUrl of its settings yields to the variables.
    settings: [],
  },
  {
    kind: "agent",
    name: "qwen",
    programs: ["qwen"],
    proxy: ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY"],
    ca: ["NODE_EXTRA_CA_CERTS"],
    settings: [
      { file: "~/.qwen/settings.json", overrules: geminiSettings },
      { file: "~/.qwen/.env", overrules: variablesInEnvFile },
      { file: ".qwen/.env", overrules: variablesInEnvFile },
    ],
  },
];

const overruling =
  /^(?:https?_proxy|all_proxy|no_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|CODEX_CA_CERTIFICATE)$/i;

function parseJson(text: string): Record<string, unknown> {
  try {
    // Comments are common in these files.
    const value: unknown = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, ""));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `env` of Claude Code's settings comes before the environment. */
function variablesInJson(text: string): string[] {
  const { env } = parseJson(text);
  return typeof env === "object" && env !== null
    ? Object.keys(env)
        .filter((name) => overruling.test(name))
        .map((name) => `env.${name}`)
    : [];
}

function geminiSettings(text: string): string[] {
  return "proxy" in parseJson(text) ? ["proxy"] : [];
}

function variablesInEnvFile(text: string): string[] {
  const names = text.split("\n").map((line) => /^\s*(?:export\s+)?(\w+)\s*=/.exec(line)?.[1] ?? "");
  return names.filter((name) => overruling.test(name));
}

/** Codex hands its commands the variables that its policy lets through. */
function codexSettings(text: string): string[] {
  const found: string[] = [];
  let table = "";
  for (const line of text.split("\n")) {
    table = /^\s*\[([^\]]+)\]/.exec(line)?.[1]?.trim() ?? table;
    const [, key = "", value = ""] = /^\s*([\w.-]+)\s*=\s*(.*)$/.exec(line) ?? [];
    const path = table === "" ? key : `${table}.${key}`;
    if (path === "shell_environment_policy.inherit" && /["'](?:core|none)["']/.test(value)) {
      found.push(
        "shell_environment_policy.inherit, which keeps the variables from the commands that Codex runs",
      );
    } else if (path === "shell_environment_policy" && /inherit\s*=\s*["'](?:core|none)["']/.test(value)) {
      found.push("shell_environment_policy, which keeps the variables from the commands that Codex runs");
    } else if (path.startsWith("shell_environment_policy.set.") && overruling.test(key)) {
      found.push(path);
    }
  }
  return found;
}
