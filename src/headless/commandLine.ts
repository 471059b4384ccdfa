import { parseArgs } from "node:util";
import { tools } from "../doctor/tools.ts";
import { agentNameProblem } from "./agents.ts";
import { UsageError } from "./usageError.ts";
import { type Shell, shells } from "./shellCode.ts";

export type TokenSource =
  | { readonly kind: "environment" }
  | { readonly kind: "fd"; readonly fd: number }
  | { readonly kind: "file"; readonly file: string };

export type Invocation =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "serve"; readonly config: string; readonly token: TokenSource }
  | {
      readonly kind: "run";
      readonly config: string;
      readonly token: TokenSource;
      readonly command: string;
      readonly args: readonly string[];
    }
  | {
      readonly kind: "doctor";
      readonly config: string | undefined;
      readonly json: boolean;
      /** A file for the report, beside what is printed. */
      readonly report: string | undefined;
      readonly tools: readonly string[];
    }
  | { readonly kind: "agent"; readonly name: string }
  | { readonly kind: "authority"; readonly out: string }
  | { readonly kind: "env"; readonly config: string | undefined; readonly shell: Shell };

const help = {
  program: `onecli-gateway: agents call real APIs with secrets that live in 1Password, and never hold one.

Usage:
  onecli-gateway run   --config FILE -- COMMAND [ARG...]   run one command through a gateway of its own
  onecli-gateway serve --config FILE                       run a gateway until it is stopped
  onecli-gateway env                                       print the variables that lead a shell to it
  onecli-gateway doctor                                    prove, tool by tool, that it works here
  onecli-gateway agent NAME                                make a password for one who may use a shared gateway
  onecli-gateway authority --out DIR                       make a CA for several gateways to share

  onecli-gateway COMMAND --help    more about a command
  onecli-gateway --version

The token of the 1Password Service Account comes from OP_SERVICE_ACCOUNT_TOKEN, --token-fd or --token-file.
Exit status 2: wrong usage or configuration.
`,
  serve: `Usage: onecli-gateway serve --config FILE [--token-fd N | --token-file FILE]

Listens on 127.0.0.1 and, when it does, prints one line of JSON:
  {"proxy":"http://USER:PASSWORD@127.0.0.1:PORT","ca":"FILE","bundle":"FILE"}
and, if the management API is on, "api":{"url":"http://127.0.0.1:PORT","tokenFile":"FILE"} in it.
Everything else goes to stderr. SIGTERM or SIGINT stops it: requests in flight get 5 seconds, a second signal ends it
at once. Changes of FILE, of the token's file and of the TLS certificate are applied while it runs; what cannot be used
is said on stderr, and the last good state stays.

  --config FILE       JSON; only "mappings" is required, paths are relative to FILE:
                      {
                        "mappings": [
                          {"hostname": "api.anthropic.com", "reference": "op://API Keys/Anthropic/credential"},
                          {"hostname": "api.example.com", "path": "/v1/", "reference": "op://API Keys/Example/key",
                           "rule": {"kind": "header", "name": "X-Key", "value": "{value}"}}
                        ],
                        "storedSecrets": [
                          {"name": "Internal API", "hostname": "api.internal", "valueFile": "internal-api.key"}
                        ],
                        "parentProxy": "http://127.0.0.1:3128",    (https:// and socks5:// too)
                        "noProxy": ["internal.example", "10.0.0.0/8"],
                        "extraCaCertificates": ["ca.pem"],
                        "listen": {"host": "127.0.0.1", "port": 0,
                                   "tls": {"certificate": "tls.crt", "key": "tls.key"}},
                        "agents": [{"name": "ci-1", "passwordHash": "sha256:…"}],
                        "authority": {"certificate": "ca/certificate.pem", "key": "ca/key.pem"},
                        "log": {"format": "text", "level": "info"},
                        "stopDelay": 0,                            (seconds from SIGTERM to the end of listening)
                        "dataDir": "state",
                        "api": {"port": 0, "writes": false}
                      }
                      A mapping without "rule" sends its secret as the known service of the host wants it, else as
                      Authorization: Bearer. The other rules:
                        {"kind": "basic", "username": "x-access-token"}
                        {"kind": "query", "name": "key"}
                        {"kind": "service", "id": "gemini"}
                      "path" limits it to that path and everything below; the longest that fits wins.
                      "agents" may use the gateway beside its own password (onecli-gateway agent). A host beyond
                      loopback needs them, and "tls" or "insecure": true in "listen".
                      "log": "format" is text or json (with a line per request), "level" trace, debug, info, warn, error.
  --token-fd N        read the Service Account token from this file descriptor
  --token-file FILE   read it from this file
                      (otherwise: the variable OP_SERVICE_ACCOUNT_TOKEN; without a token, mapped hosts are refused)
`,
  run: `Usage: onecli-gateway run --config FILE [--token-fd N | --token-file FILE] -- COMMAND [ARG...]

Starts a gateway, runs COMMAND with the variables that lead its tools through it, and ends with the command's exit
status: its own, 128+n if signal n ended it, 127 if it was not found, 126 if it could not be executed. Input and output
are the command's. It does not get the token.

  --config FILE       as for serve
  --token-fd N, --token-file FILE
                      as for serve
`,
  env: `Usage: onecli-gateway env [--config FILE] [--shell sh|fish|powershell]

Reads the JSON line that "serve" printed from stdin and prints the variables for a shell to evaluate:
  sh          eval "$(printf '%s\\n' "$LINE" | onecli-gateway env --config FILE)"
  fish        printf '%s\\n' $LINE | onecli-gateway env --config FILE --shell fish | source
  powershell  $Line | onecli-gateway env --config FILE --shell powershell | Out-String | Invoke-Expression

  --config FILE       the same file as for serve: adds the placeholders of the services that it maps
  --shell SHELL       sh (default; bash, zsh, dash), fish or powershell
`,
  doctor: `Usage: onecli-gateway doctor [--config FILE] [--json] [--report FILE] [TOOL...]

Looks at the variables of this terminal, and has each tool that is on the PATH call an echo behind the gateway: does it
use the proxy, trust the CA, does the injected header arrive, do events come one by one, do WebSockets and HTTP/2 work?
What fails is shown with its fix. No account is needed, no secret is read: the injected value is made for the run.
In a terminal without a gateway, one is started for the time of the run.
Exit status 0: all is well; 1: something is not.

  --config FILE       the gateway that is started has the mappings of this file, as for serve
  --json              print the report as JSON
  --report FILE       write it to a file as well, as JSON
  TOOL                look at these alone: ${tools.map(({ name }) => name).join(", ")}
`,
  agent: `Usage: onecli-gateway agent NAME

Makes a password for one who may use a gateway and prints it, once, with the entry for "agents" of the configuration:
  {"password":"…","entry":{"name":"NAME","passwordHash":"sha256:…"}}
The agent's proxy is http(s)://NAME:PASSWORD@HOST:PORT; the name is what the log and the activity call it.
`,
  authority: `Usage: onecli-gateway authority --out DIR

Makes a CA in DIR (certificate.pem, key.pem) and prints the entry for "authority" of the configuration. Gateways that
stand in for each other need the same CA: agents trust its certificate, whichever of them answers.

  --out DIR           a folder; files that are there already are not written over
`,
} as const;

const commands = "serve, run, env, doctor, agent or authority";

const commonOptions = { help: { type: "boolean", short: "h" } } as const;
const tokenOptions = { "token-fd": { type: "string" }, "token-file": { type: "string" } } as const;

/** @throws UsageError */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const [command, ...rest] = argv;
  switch (command) {
    case "--help":
    case "-h":
    case "help":
      return { kind: "help", text: help.program };
    case "--version":
      return { kind: "version" };
    case "serve":
      return parseServe(rest);
    case "run":
      return parseRun(rest);
    case "env":
      return parseEnv(rest);
    case "doctor":
      return parseDoctor(rest);
    case "agent":
      return parseAgent(rest);
    case "authority":
      return parseAuthority(rest);
    case undefined:
      throw usage(`a command is missing: ${commands}`);
    default:
      throw usage(`there is no command ${JSON.stringify(command)}: it is ${commands}`);
  }
}

function parseServe(args: string[]): Invocation {
  const { values, positionals } = parse(args, {
    ...commonOptions,
    ...tokenOptions,
    config: { type: "string" },
  });
  if (values.help === true) {
    return { kind: "help", text: help.serve };
  }
  refusePositionals(positionals, "serve");
  return { kind: "serve", config: required(values.config), token: tokenSource(values) };
}

function parseRun(args: string[]): Invocation {
  // Everything behind "--" is the command's, whatever it looks like.
  const separator = args.indexOf("--");
  const own = separator === -1 ? args : args.slice(0, separator);
  const { values, positionals } = parse(own, {
    ...commonOptions,
    ...tokenOptions,
    config: { type: "string" },
  });
  if (values.help === true) {
    return { kind: "help", text: help.run };
  }
  refusePositionals(positionals, "run", " before --");
  const [command, ...commandArgs] = separator === -1 ? [] : args.slice(separator + 1);
  const config = required(values.config);
  const token = tokenSource(values);
  if (token.kind === "fd" && token.fd < 3) {
    throw usage("run: --token-fd takes a descriptor from 3 on, the command inherits those below", "run");
  }
  if (command === undefined || command === "") {
    throw usage("run: the command is missing; write it behind --", "run");
  }
  return { kind: "run", config, token, command, args: commandArgs };
}

function parseEnv(args: string[]): Invocation {
  const { values, positionals } = parse(args, {
    ...commonOptions,
    config: { type: "string" },
    shell: { type: "string" },
  });
  if (values.help === true) {
    return { kind: "help", text: help.env };
  }
  refusePositionals(positionals, "env");
  const shell = shells.find((name) => name === (values.shell ?? "sh"));
  if (shell === undefined) {
    throw usage(`--shell takes one of ${shells.join(", ")}`, "env");
  }
  return { kind: "env", config: values.config, shell };
}

function parseDoctor(args: string[]): Invocation {
  const { values, positionals } = parse(args, {
    ...commonOptions,
    config: { type: "string" },
    json: { type: "boolean" },
    report: { type: "string" },
  });
  if (values.help === true) {
    return { kind: "help", text: help.doctor };
  }
  for (const name of positionals) {
    if (!tools.some((tool) => tool.name === name)) {
      throw usage(`doctor knows no tool ${JSON.stringify(name)}`, "doctor");
    }
  }
  const { config, json = false, report } = values;
  return { kind: "doctor", config, json, report, tools: positionals };
}

function parseAgent(args: string[]): Invocation {
  const { values, positionals } = parse(args, commonOptions);
  if (values.help === true) {
    return { kind: "help", text: help.agent };
  }
  const [name, ...more] = positionals;
  if (name === undefined) {
    throw usage("agent: the name is missing", "agent");
  }
  refusePositionals(more, "agent", " behind the name");
  const problem = agentNameProblem(name);
  if (problem !== undefined) {
    throw usage(`agent: ${JSON.stringify(name)} ${problem}`, "agent");
  }
  return { kind: "agent", name };
}

function parseAuthority(args: string[]): Invocation {
  const { values, positionals } = parse(args, { ...commonOptions, out: { type: "string" } });
  if (values.help === true) {
    return { kind: "help", text: help.authority };
  }
  refusePositionals(positionals, "authority");
  if (values.out === undefined || values.out === "") {
    throw usage("authority: --out DIR is missing", "authority");
  }
  return { kind: "authority", out: values.out };
}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

function parse<T extends Options>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's message may go on with advice in further sentences.
    const [message = ""] = (error as Error).message.split(/\. |\n/);
    throw usage(message);
  }
}

function refusePositionals([first]: readonly string[], command: string, where = ""): void {
  if (first !== undefined) {
    throw usage(`${command} takes no argument ${JSON.stringify(first)}${where}`, command);
  }
}

function required(config: string | undefined): string {
  if (config === undefined || config === "") {
    throw usage("--config FILE is missing");
  }
  return config;
}

function tokenSource(values: { "token-fd"?: string; "token-file"?: string }): TokenSource {
  const { "token-fd": fd, "token-file": file } = values;
  if (fd !== undefined && file !== undefined) {
    throw usage("--token-fd and --token-file exclude each other");
  }
  if (fd !== undefined) {
    if (!/^\d{1,9}$/.test(fd)) {
      throw usage("--token-fd takes the number of an open file descriptor");
    }
    return { kind: "fd", fd: Number(fd) };
  }
  return file === undefined ? { kind: "environment" } : { kind: "file", file };
}

function usage(message: string, command?: string): UsageError {
  return new UsageError(
    `${message} (see onecli-gateway ${command === undefined ? "" : `${command} `}--help)`,
  );
}
