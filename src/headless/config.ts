import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { describeIssue, type Mapping, parseMappings } from "../core/mapping.ts";
import {
  noProxyOfEnvironment,
  type ParentProxy,
  ParentProxyError,
  parentProxyOfEnvironment,
  parseParentProxy,
} from "../gateway/parentProxy.ts";
import { certificatesIn } from "../gateway/trustBundle.ts";

/** The configuration file, as it is written. Paths are relative to the file. */
const configSchema = z.strictObject({
  mappings: z.array(z.unknown()),
  parentProxy: z.string().optional(),
  noProxy: z.union([z.string(), z.array(z.string())], "expected a text or a list of texts").optional(),
  extraCaCertificates: z.array(z.string()).optional(),
  listen: z.strictObject({ port: z.int().min(0).max(65_535) }).optional(),
  dataDir: z.string().min(1).optional(),
});

export interface Config {
  readonly file: string;
  readonly mappings: readonly Mapping[];
  readonly parentProxy: ParentProxy | undefined;
  /** What is reached without it: of the configuration and of the environment. */
  readonly noProxy: readonly string[];
  /** PEM. */
  readonly extraCaCertificates: readonly string[];
  readonly port: number;
  readonly dataDir: string;
}

/** One line for the person who started the program: what is wrong, and where. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
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
export async function readConfig(file: string, environment: Environment): Promise<Config> {
  const fail = (message: string) => new UsageError(`${file}: ${message}`);
  const shape = configSchema.safeParse(await readJson(file));
  if (!shape.success) {
    throw fail(describeIssue(shape.error));
  }
  const { extraCaCertificates = [], parentProxy, noProxy = [], listen, dataDir } = shape.data;
  const { mappings, problems } = parseMappings(shape.data.mappings);
  const [problem] = problems;
  if (problem !== undefined) {
    throw fail(`mappings.${problem.index}: ${problem.message}`);
  }
  const folder = dirname(resolve(file));
  return {
    file,
    mappings,
    parentProxy: chooseParentProxy(parentProxy, environment, fail),
    noProxy: [noProxy, noProxyOfEnvironment(environment)].flat(),
    extraCaCertificates: await Promise.all(
      extraCaCertificates.map((name, index) =>
        readCertificates(resolve(folder, name), (message) =>
          fail(`extraCaCertificates.${index}: ${name} ${message}`),
        ),
      ),
    ),
    port: listen?.port ?? 0,
    dataDir: dataDir === undefined ? defaultDataDir(environment) : resolve(folder, dataDir),
  };
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
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

function chooseParentProxy(
  configured: string | undefined,
  environment: Environment,
  fail: (message: string) => UsageError,
): ParentProxy | undefined {
  const source = configured === undefined ? "HTTPS_PROXY of the environment" : "parentProxy";
  try {
    return configured === undefined ? parentProxyOfEnvironment(environment) : parseParentProxy(configured);
  } catch (error) {
    if (error instanceof ParentProxyError) {
      throw fail(`${source} ${error.message}`);
    }
    throw error;
  }
}

async function readCertificates(file: string, fail: (message: string) => UsageError): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
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
