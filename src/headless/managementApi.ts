import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OneCliError } from "../core/errors.ts";
import { connectAccount, type Gateway } from "../gateway/gateway.ts";
import { GatewayManagement } from "../gateway/management.ts";
import {
  type ManagementApi,
  type ManagementApiOptions,
  type ManagementWrites,
} from "../shared/management.ts";
import { type Config, dataDirFault } from "./config.ts";
import { UsageError } from "./usageError.ts";
import { hostInUrl, isBeyondLoopback } from "./listen.ts";
import { ConfigFile } from "./configFile.ts";

/** What `serve` says of it. */
export interface ServedApi {
  readonly url: string;
  readonly tokenFile: string;
}

/**
 * Starts the API, if the configuration asks for one.
 * @param ca file of the CA's certificate.
 * @throws UsageError where the port or the token cannot be had.
 */
export async function startApi(
  config: Config,
  gateway: Gateway,
  ca: string,
  environment: NodeJS.ProcessEnv,
  more: Pick<ManagementApiOptions, "pages"> = {},
): Promise<{ api: ManagementApi; served: ServedApi } | undefined> {
  const { file, api } = config;
  if (api === undefined) {
    return undefined;
  }
  const tokenFile = api.tokenFile ?? join(config.dataDir, "api-token");
  const token =
    api.tokenFile === undefined ? await ownToken(config, tokenFile) : await givenToken(file, tokenFile);
  // Loaded late: most gateways run without it.
  const { startManagementApi } = await import("../api/server.ts");
  const writes = api.writes ? new FileWrites(gateway, new ConfigFile(file, environment)) : noWrites;
  const tls = isBeyondLoopback(api.host) ? config.listen.tls : undefined;
  const started = await startManagementApi({
    management: new GatewayManagement(gateway, await readFile(ca, "utf8"), writes),
    token,
    address: api.host,
    port: api.port,
    tls,
    hosts: api.hosts,
    ...more,
  }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === undefined
      ? error
      : new UsageError(`${file}: api.port: port ${api.port} cannot be had (${code})`);
  });
  gateway.closePort(started.port);
  const url = `${tls === undefined ? "http" : "https"}://${hostInUrl(api.host)}:${started.port}`;
  return { api: started, served: { url, tokenFile } };
}

/** Changes go to the file first, one after the other: each begins with what the one before has written. */
class FileWrites implements ManagementWrites {
  readonly #gateway: Gateway;
  readonly #file: ConfigFile;
  #last: Promise<unknown> = Promise.resolve();

  constructor(gateway: Gateway, file: ConfigFile) {
    this.#gateway = gateway;
    this.#file = file;
  }

  putMapping: ManagementWrites["putMapping"] = (mapping) =>
    this.#serially(async () => {
      const { change, mappings } = await this.#file.put(mapping);
      this.#gateway.setMappings(mappings);
      return change;
    });

  deleteMapping: ManagementWrites["deleteMapping"] = (id) =>
    this.#serially(async () => {
      this.#gateway.setMappings(await this.#file.remove(id));
    });

  connect: ManagementWrites["connect"] = (token) =>
    this.#serially(() => connectAccount(this.#gateway, token));

  disconnect: ManagementWrites["disconnect"] = () =>
    this.#serially(() => {
      this.#gateway.disconnect();
    });

  #serially<T>(change: () => T | Promise<T>): Promise<T> {
    const changed = this.#last.then(change);
    this.#last = changed.catch(() => undefined);
    return changed;
  }
}

const refuse = (): Promise<never> =>
  Promise.reject(
    new OneCliError(
      "writes-not-allowed",
      "The configuration file does not allow the API to change anything.",
    ),
  );

const noWrites: ManagementWrites = {
  putMapping: refuse,
  deleteMapping: refuse,
  connect: refuse,
  disconnect: refuse,
};

/** The token of the data folder, 256 bits, made at the first start and kept. */
async function ownToken(config: Config, file: string): Promise<string> {
  try {
    await writeFile(file, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw dataDirFault(config, error);
    }
  }
  return givenToken(config.file, file);
}

/** 256 bits take 43 characters of base64, and 64 of hex. */
const tokenPattern = /^[\w.~+/=-]{43,1024}$/;

async function givenToken(configFile: string, file: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(file, "utf8")).trim();
  } catch (error) {
    const { code = "unknown fault" } = error as NodeJS.ErrnoException;
    throw new UsageError(`${configFile}: api.tokenFile: ${file} cannot be read (${code})`);
  }
  if (!tokenPattern.test(token)) {
    throw new UsageError(
      `${configFile}: api.tokenFile: ${file} holds no token of at least 43 letters, digits, -, _, ., ~, +, / and =` +
        " (openssl rand -hex 32 makes one)",
    );
  }
  return token;
}
