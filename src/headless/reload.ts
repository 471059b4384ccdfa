import { isDeepStrictEqual } from "node:util";
import { type Logger } from "../core/ports.ts";
import { type StoredSecret } from "../core/storedSecret.ts";
import { type ServiceAccountToken } from "../core/serviceAccountToken.ts";
import { type Gateway } from "../gateway/gateway.ts";
import { type ServerIdentity } from "../shared/serverIdentity.ts";
import { type TokenSource } from "./commandLine.ts";
import { type Config, readConfig } from "./config.ts";
import { UsageError } from "./usageError.ts";
import { type StoredSecretValues } from "./storedSecretValues.ts";
import { rereadToken } from "./token.ts";
import { ReadFiles } from "./watchedFiles.ts";

/** What is read once: a change has to wait for the next start. The certificate within `listen` is not part of it. */
const fixed = [
  "listen",
  "api",
  "dataDir",
  "authority",
  "parentProxy",
  "noProxy",
  "extraCaCertificates",
] as const;

interface Parts {
  readonly gateway: Pick<
    Gateway,
    "mappings" | "setMappings" | "setStoredSecrets" | "setAgents" | "setIdentity"
  >;
  readonly values: StoredSecretValues;
  /** Uses a token from now on. */
  readonly useToken: (token: ServiceAccountToken) => void;
  /** Shows a certificate from now on, wherever TLS is spoken to clients. */
  readonly useIdentity: (identity: ServerIdentity) => void;
  readonly useLog: (settings: Config["log"]) => void;
  readonly logger: Logger;
  readonly environment: NodeJS.ProcessEnv;
  readonly token: TokenSource;
}

/** A gateway's configuration, kept up to date: what cannot be used changes nothing and is said in one line. */
export class LiveConfig {
  readonly #parts: Parts;
  /** What the gateway was started with. */
  readonly #started: Config;
  /** The last good one. */
  #config: Config;
  #storedSecrets: string;
  #tokenText: string | undefined;
  /** Why the last change was not applied, per file. */
  readonly #faults = new Map<string, string>();
  #waiting: readonly string[] = [];

  constructor(config: Config, token: ServiceAccountToken | undefined, files: ReadFiles, parts: Parts) {
    this.#started = config;
    this.#config = config;
    this.#storedSecrets = storedSecretState(config, files);
    this.#tokenText = token?.token;
    this.#parts = parts;
  }

  /** The last good one, as it is used. */
  get config(): Config {
    return this.#config;
  }

  /** Whether the files, as they were last read, are in use. */
  get isGood(): boolean {
    return this.#faults.size === 0;
  }

  /** Reads everything again. @returns what was read, for the next change to be noticed. */
  async reload(): Promise<ReadFiles> {
    const files = new ReadFiles();
    const { environment, token, values } = this.#parts;
    const { file } = this.#started;
    await this.#attempt(file, "configuration", async () => {
      const config = await readConfig(file, environment, files.read);
      const storedSecrets = await values.read(config.storedSecrets, file, files.read);
      this.#apply(config, storedSecrets, storedSecretState(config, files));
    });
    if (token.kind === "file") {
      await this.#attempt("token", "token", async () => {
        this.#applyToken(await rereadToken(token, files));
      });
    }
    return files;
  }

  async #attempt(name: string, what: string, change: () => Promise<void>): Promise<void> {
    const { logger } = this.#parts;
    try {
      await change();
      if (this.#faults.delete(name)) {
        logger.info(`${name}: is good again and in use`);
      }
    } catch (error) {
      const fault = error instanceof UsageError ? error.message : `${name}: cannot be used`;
      if (this.#faults.get(name) !== fault) {
        this.#faults.set(name, fault);
        logger.error(`${fault}; the last good ${what} stays in use`);
      }
    }
  }

  #apply(config: Config, storedSecrets: readonly StoredSecret[], state: string): void {
    const { gateway, useIdentity, useLog, logger } = this.#parts;
    const before = this.#config;
    const changed = (key: keyof Config) => !isDeepStrictEqual(before[key], config[key]);
    const applied: string[] = [];
    if (changed("log")) {
      useLog(config.log);
      applied.push("log");
    }
    // The API changes them too, in the file and in the gateway.
    if (!isDeepStrictEqual(gateway.mappings, config.mappings)) {
      gateway.setMappings(config.mappings);
      applied.push("mappings");
    }
    if (state !== this.#storedSecrets) {
      this.#storedSecrets = state;
      gateway.setStoredSecrets(storedSecrets);
      applied.push("storedSecrets");
    }
    if (changed("agents")) {
      gateway.setAgents(config.agents);
      applied.push("agents");
    }
    const { tls } = config.listen;
    if (tls !== undefined && !isDeepStrictEqual(before.listen.tls, tls)) {
      useIdentity(tls);
      applied.push("listen.tls");
    }
    this.#config = config;
    if (applied.length > 0) {
      logger.info(`${config.file}: applied ${applied.join(", ")}`);
    }
    this.#warnOfFixed(config);
  }

  #warnOfFixed(config: Config): void {
    const started = fixedPart(this.#started);
    const wanted = fixedPart(config);
    const waiting = fixed.filter((key) => !isDeepStrictEqual(started[key], wanted[key]));
    for (const key of waiting) {
      if (!this.#waiting.includes(key)) {
        this.#parts.logger.warn(`${config.file}: ${key}: the change takes effect at the next start`);
      }
    }
    this.#waiting = waiting;
  }

  #applyToken(token: ServiceAccountToken): void {
    if (token.token !== this.#tokenText) {
      this.#tokenText = token.token;
      this.#parts.useToken(token);
      this.#parts.logger.info(`token: applied (1Password: ${token.account})`);
    }
  }
}

/** Equal for equal entries with equal values. */
function storedSecretState({ storedSecrets }: Config, files: ReadFiles): string {
  return JSON.stringify(
    storedSecrets.map((entry) => [
      entry,
      entry.source.kind === "file" ? files.digestOf(entry.source.file) : undefined,
    ]),
  );
}

function fixedPart({ listen: { tls, ...listen }, ...config }: Config) {
  return { ...config, listen: { ...listen, tls: tls !== undefined } };
}
