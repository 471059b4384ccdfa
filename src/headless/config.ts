import { X509Certificate } from "node:crypto";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import * as z from "zod";
import { HostnameError, httpsPort, parseHostPattern } from "../core/hostname.ts";
import { type Mapping, parseMappings } from "../core/mapping.ts";
import { parseStoredSecret } from "../core/storedSecret.ts";
import { describeIssue, type EntryProblem, parseTargets } from "../core/target.ts";
import {
  noProxyOfEnvironment,
  type ParentProxy,
  ParentProxyError,
  parentProxyOfEnvironment,
  parseParentProxy,
} from "../core/parentProxy.ts";
import { certificatesIn } from "../gateway/trustBundle.ts";
import { type ConfiguredSecret } from "./storedSecretValues.ts";
import { type Agent } from "../gateway/credentials.ts";
import { type AuthorityPems } from "../shared/gatewayProtocol.ts";
import { agentSchema, readAgents } from "./agents.ts";
import { authoritySchema, readAuthority } from "./authorityFiles.ts";
import { apiHost, isBeyondLoopback, type Listen, listenSchema, readListen } from "./listen.ts";
import { logSchema, type LogSettings, logSettings } from "./log.ts";
import { UsageError } from "./usageError.ts";
import { type ReadText, readText } from "./watchedFiles.ts";

/** The configuration file, as it is written. Paths are relative to the file. */
const configSchema = z.strictObject({
  mappings: z.array(z.unknown()),
  storedSecrets: z.array(z.unknown()).optional(),
  parentProxy: z.string().optional(),
  noProxy: z.union([z.string(), z.array(z.string())], "expected a text or a list of texts").optional(),
  extraCaCertificates: z.array(z.string()).optional(),
  listen: listenSchema.optional(),
  agents: z.array(agentSchema).optional(),
  authority: authoritySchema.optional(),
  log: logSchema.optional(),
  stopDelay: z.number().min(0).max(300).optional(),
  dataDir: z.string().min(1).optional(),
  api: z
    .strictObject({
      host: z.string().optional(),
      port: z.int().min(0).max(65_535).optional(),
      writes: z.boolean().optional(),
      tokenFile: z.string().min(1).optional(),
      hosts: z.array(z.string()).optional(),
    })
    .optional(),
});

/** Where the value of a stored secret is; never the value itself. */
const valueSchema = z.looseObject({
  valueFile: z.string().min(1).optional(),
  valueVariable: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is no name of a variable")
    .optional(),
});

/** The management API; without it there is none. */
export interface ApiConfig {
  /** An address. */
  readonly host: string;
  readonly port: number;
  /** Whether it may change the mappings in the file, and the account: nobody is there to be asked. */
  readonly writes: boolean;
  /** Absent: one in the data folder. */
  readonly tokenFile: string | undefined;
  /** What `Host` may name beside this machine's loopback names, in canonical form. */
  readonly hosts: readonly string[];
}

export interface Config {
  readonly file: string;
  readonly mappings: readonly Mapping[];
  readonly storedSecrets: readonly ConfiguredSecret[];
  readonly parentProxy: ParentProxy | undefined;
  /** Where it is named. */
  readonly parentProxySource: string;
  /** What is reached without it: of the configuration and of the environment. */
  readonly noProxy: readonly string[];
  /** PEM. */
  readonly extraCaCertificates: readonly string[];
  readonly listen: Listen;
  /** Who else may use the gateway; beyond loopback, who alone may. */
  readonly agents: readonly Agent[];
  /** The CA; without it the data folder has one. */
  readonly authority: AuthorityPems | undefined;
  readonly log: LogSettings;
  /** Seconds from the signal to stop to the moment when the listener closes, for load balancers to take notice. */
  readonly stopDelay: number;
  readonly dataDir: string;
  readonly api: ApiConfig | undefined;
}

/** What the file system said of the data folder, as a line for the user; anything else as it is. */
export function dataDirFault({ file, dataDir }: Pick<Config, "file" | "dataDir">, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error instanceof UsageError
    ? error
    : new UsageError(`${file}: dataDir: ${dataDir} cannot be used (${code})`);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError that names the file and the key or value. */
export async function readConfig(
  file: string,
  environment: Environment,
  read: ReadText = readText,
): Promise<Config> {
  const fail = (message: string) => new UsageError(`${file}: ${message}`);
  const shape = configSchema.safeParse(await readJson(file, read));
  if (!shape.success) {
    throw fail(describeIssue(shape.error));
  }
  const { extraCaCertificates = [], parentProxy, noProxy = [], listen, dataDir, api } = shape.data;
  const folder = dirname(resolve(file));
  const { mappings, problems } = parseMappings(shape.data.mappings);
  refuseBroken("mappings", problems, fail);
  const { found: storedSecrets, problems: broken } = parseTargets(shape.data.storedSecrets ?? [], (entry) =>
    parseConfiguredSecret(entry, folder),
  );
  refuseBroken("storedSecrets", broken, fail);
  const { agents, problem: agentProblem } = readAgents(shape.data.agents ?? []);
  if (agentProblem !== undefined) {
    throw fail(`agents.${agentProblem}`);
  }
  const inFolder = { read: (name: string) => read(resolve(folder, name)), fail };
  const listenTo = await readListen(listen ?? {}, inFolder);
  if (isBeyondLoopback(listenTo.host) && agents.length === 0) {
    throw fail(
      `agents: none is there, and beyond loopback (listen.host ${listenTo.host}) nobody else is let in; "onecli-gateway agent NAME" makes one`,
    );
  }
  return {
    file,
    mappings,
    storedSecrets,
    parentProxy: chooseParentProxy(parentProxy, environment, fail),
    parentProxySource: sourceOf(parentProxy),
    noProxy: [noProxy, noProxyOfEnvironment(environment)].flat(),
    extraCaCertificates: await Promise.all(
      extraCaCertificates.map((name, index) =>
        readCertificates(inFolder.read(name), (message) =>
          fail(`extraCaCertificates.${index}: ${name} ${message}`),
        ),
      ),
    ),
    listen: listenTo,
    agents,
    authority:
      shape.data.authority === undefined ? undefined : await readAuthority(shape.data.authority, inFolder),
    log: logSettings(shape.data.log),
    stopDelay: shape.data.stopDelay ?? 0,
    dataDir: dataDir === undefined ? defaultDataDir(environment) : resolve(folder, dataDir),
    api: api && {
      host: apiHost(api.host, listenTo, fail),
      port: api.port ?? 0,
      writes: api.writes ?? false,
      tokenFile: api.tokenFile && resolve(folder, api.tokenFile),
      hosts: (api.hosts ?? []).map((host, index) =>
        canonicalHost(host, (message) => fail(`api.hosts.${index}: ${JSON.stringify(host)} ${message}`)),
      ),
    },
  };
}

function refuseBroken(
  key: string,
  [problem]: readonly EntryProblem[],
  fail: (message: string) => UsageError,
): void {
  if (problem !== undefined) {
    throw fail(`${key}.${problem.index}: ${problem.message}`);
  }
}

function parseConfiguredSecret(entry: unknown, folder: string): ConfiguredSecret | string {
  const shape = valueSchema.safeParse(entry);
  if (!shape.success) {
    return describeIssue(shape.error);
  }
  const { valueFile, valueVariable, ...rest } = shape.data;
  if ("value" in rest) {
    return "value: no secret belongs in this file; name a valueFile or a valueVariable";
  }
  const secret = parseStoredSecret(rest);
  if (typeof secret === "string") {
    return secret;
  }
  if ((valueFile === undefined) === (valueVariable === undefined)) {
    return "valueFile or valueVariable: one of the two says where the value is";
  }
  const source =
    valueFile === undefined
      ? { kind: "variable" as const, name: valueVariable ?? "" }
      : { kind: "file" as const, file: resolve(folder, valueFile) };
  return { ...secret, source };
}

async function readJson(file: string, read: ReadText): Promise<unknown> {
  let text: string;
  try {
    text = await read(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${file}: the file ${code === "ENOENT" ? "does not exist" : "cannot be read"}`);
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, "")) as unknown;
  } catch (error) {
    // Node's message quotes the text, which may run over lines; where the fault is says enough.
    const [, line, column] = /line (\d+) column (\d+)/.exec((error as Error).message) ?? [];
    const where = line === undefined ? "" : ` (line ${line}, column ${column ?? ""})`;
    throw new UsageError(`${file}: the file is not valid JSON${where}`);
  }
}

function sourceOf(configured: string | undefined): string {
  return configured === undefined ? "HTTPS_PROXY of the environment" : "parentProxy";
}

function chooseParentProxy(
  configured: string | undefined,
  environment: Environment,
  fail: (message: string) => UsageError,
): ParentProxy | undefined {
  try {
    return configured === undefined ? parentProxyOfEnvironment(environment) : parseParentProxy(configured);
  } catch (error) {
    if (error instanceof ParentProxyError) {
      throw fail(`${sourceOf(configured)} ${error.message}`);
    }
    throw error;
  }
}

async function readCertificates(
  reading: Promise<string>,
  fail: (message: string) => UsageError,
): Promise<string> {
  let text: string;
  try {
    text = await reading;
  } catch {
    throw fail("cannot be read");
  }
  const certificates = certificatesIn(text);
  if (certificates.length === 0) {
    throw fail("holds no certificate in PEM form");
  }
  try {
    certificates.forEach((certificate) => new X509Certificate(certificate));
  } catch {
    throw fail("holds a certificate that cannot be read");
  }
  return certificates.join("\n");
}

function canonicalHost(text: string, fail: (message: string) => UsageError): string {
  try {
    const { host, port, wildcard } = parseHostPattern(text);
    if (wildcard || port !== httpsPort) {
      throw fail(wildcard ? "is a wildcard; name each host" : "has a port; the name alone is compared");
    }
    return host;
  } catch (error) {
    throw error instanceof HostnameError ? fail(error.message) : error;
  }
}

function defaultDataDir(environment: Environment): string {
  const home = homedir();
  const stateFolder = {
    win32: environment["LOCALAPPDATA"] ?? join(home, "AppData", "Local"),
    darwin: join(home, "Library", "Application Support"),
  }[process.platform as "win32" | "darwin"] as string | undefined;
  return join(stateFolder ?? xdgStateHome(environment) ?? join(home, ".local", "state"), "onecli-gateway");
}

/** XDG Base Directory Specification: an empty or relative path is as good as none. */
function xdgStateHome({ XDG_STATE_HOME: folder = "" }: Environment): string | undefined {
  return isAbsolute(folder) ? folder : undefined;
}
