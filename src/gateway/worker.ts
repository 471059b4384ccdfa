// The gateway as a thread of the extension host: messages in, messages out, all of them parsed.
import { setTimeout as delay } from "node:timers/promises";
import { type MessagePort } from "node:worker_threads";
import { OneCliError, toOneCliError } from "../core/errors.ts";
import { type Authority, HostnameError, httpsPort, parseAuthority } from "../core/hostname.ts";
import { parseMappings } from "../core/mapping.ts";
import { type Logger } from "../core/ports.ts";
import { parseSecretReference } from "../core/secretReference.ts";
import { SecretValue } from "../core/secretValue.ts";
import { parseStoredSecrets, type StoredSecret } from "../core/storedSecret.ts";
import { type EntryProblem } from "../core/target.ts";
import {
  type ActivityRecord,
  type AuthorityPems,
  type FromGateway,
  type StartOptions,
  type StartResult,
  type StoredSecretWithValue,
  type ToGateway,
  toGateway,
} from "../shared/gatewayProtocol.ts";
import { type ManagementApi, type StartManagementApi } from "../shared/management.ts";
import { CertificateAuthority, createAuthority } from "./certificateAuthority.ts";
import { GatewayManagement } from "./management.ts";
import { HostWrites } from "./hostWrites.ts";
import { connectAccount, Gateway, type GatewayOptions, useAccount } from "./gateway.ts";
import {
  noProxyOfEnvironment,
  ParentProxyError,
  parentProxyOfEnvironment,
  parseParentProxy,
} from "../core/parentProxy.ts";
import { askRelay } from "./relayCheck.ts";
import { machineRoots, writeTrustFiles } from "./trustBundle.ts";

/** Activity is sent in batches at most this often, in milliseconds. */
const batchInterval = 100;

/**
 * Serves the host at the other end of the port until it says `stop`.
 * @param startApi starts the management API where the host wants it.
 * @param onStopped the gateway is gone and the port is closed.
 */
export function serveHost(port: MessagePort, startApi: StartManagementApi, onStopped: () => void): void {
  new Host(port, startApi, onStopped);
}

class Host {
  readonly #port: MessagePort;
  readonly #logger: Logger;
  readonly #onStopped: () => void;
  readonly #startApi: StartManagementApi;
  readonly #writes = new HostWrites((question, write) => this.#send({ type: "ask", question, write }));
  #gateway: Gateway | undefined;
  /** Another gateway does the work: no mapping, secret or account is for this one. */
  #isRelay = false;
  #api: ManagementApi | undefined;
  /** The start that is under way or has succeeded. */
  #started: Promise<StartResult> | undefined;
  /** The last change of the account: they come one after the other, so that the host's last word is what holds. */
  #accountChange: Promise<unknown> = Promise.resolve();
  #batch: ActivityRecord[] = [];
  /** Requests to 1Password since the last batch. */
  #accountRequests = 0;
  #flushing: NodeJS.Timeout | undefined;

  constructor(port: MessagePort, startApi: StartManagementApi, onStopped: () => void) {
    this.#port = port;
    this.#startApi = startApi;
    this.#onStopped = onStopped;
    this.#logger = this.#makeLogger();
    port.on("message", (data: unknown) => {
      const message = toGateway.safeParse(data);
      if (message.success) {
        void this.#receive(message.data);
      } else {
        // Not its content: it may hold a token.
        this.#logger.error("A message that is not of the protocol was dropped.");
      }
    });
  }

  async #receive(message: ToGateway): Promise<void> {
    try {
      const result = await this.#execute(message);
      if ("id" in message) {
        this.#send({ type: "done", id: message.id, result });
      }
      if (message.type === "stop") {
        this.#port.close();
        this.#onStopped();
      }
    } catch (error) {
      const { code, message: text } = toOneCliError(error);
      if ("id" in message) {
        this.#send({ type: "failed", id: message.id, code, message: text });
      } else {
        this.#logger.error(`${message.type} failed: ${text}`);
      }
    }
  }

  async #execute(message: ToGateway): Promise<unknown> {
    switch (message.type) {
      case "start":
        return await this.#startOnce(message.options);
      case "setMappings":
        this.#ownWork().setMappings(usableMappings(message.mappings));
        return undefined;
      case "setStoredSecrets":
        this.#ownWork().setStoredSecrets(usableStoredSecrets(message.storedSecrets));
        return undefined;
      case "connect":
        return await this.#changeAccount((gateway) => connectAccount(gateway, message.token));
      case "useAccount":
        await this.#changeAccount((gateway) => useAccount(gateway, message.token));
        return undefined;
      case "disconnect":
        this.#running().disconnect();
        // Once more behind a connect that is under way.
        await this.#changeAccount((gateway) => gateway.disconnect());
        return undefined;
      case "invalidate":
        this.#running().invalidate(
          message.reference === undefined ? undefined : parseSecretReference(message.reference),
        );
        return undefined;
      case "test":
        await this.#running().test(parseSecretReference(message.reference));
        return undefined;
      case "listVaults":
        return await this.#running().browser.listVaults();
      case "listItems":
        return await this.#running().browser.listItems(message.vaultId);
      case "listFields":
        return await this.#running().browser.listFields(message.vaultId, message.itemId);
      case "cacheAges":
        return message.references.map(
          (reference) => this.#running().cacheAge(parseSecretReference(reference)) ?? null,
        );
      case "explain":
        return this.#running().explain(usableHost(message.host), message.path);
      case "checkRelay":
        await askRelay(this.#running().endpoint);
        return undefined;
      case "ping":
        return undefined;
      case "stop":
        await this.#started?.catch(() => undefined);
        this.#writes.refuseAll();
        await Promise.all([this.#api?.close(), this.#gateway?.stop()]);
        this.#flush();
        return undefined;
      case "answer":
        this.#writes.answer(message.question, message.result);
        return undefined;
      case "refuse":
        this.#writes.refuse(message.question, message.code, message.message);
        return undefined;
    }
  }

  #changeAccount<T>(change: (gateway: Gateway) => T | Promise<T>): Promise<T> {
    const gateway = this.#ownWork();
    const changed = this.#accountChange.then(() => change(gateway));
    this.#accountChange = changed.catch(() => undefined);
    return changed;
  }

  async #startOnce(options: StartOptions): Promise<StartResult> {
    if (this.#started !== undefined) {
      throw new OneCliError("internal", "The gateway runs already.");
    }
    this.#started = this.#start(options);
    try {
      return await this.#started;
    } catch (error) {
      this.#started = undefined;
      throw explainStart(error, options);
    }
  }

  async #start(options: StartOptions): Promise<StartResult> {
    const { pems, authority } = await usableAuthority(options.authority);
    const roots = machineRoots();
    const extra = options.extraCaCertificates;
    this.#isRelay = options.relay !== undefined;
    const files = await writeTrustFiles(
      options.dataDir,
      {
        authority: options.relay?.certificate ?? authority.certificate,
        extra,
        roots,
        environment: process.env,
      },
      this.#logger,
    );
    this.#gateway = await startOnPort(options, {
      authority,
      trustedRoots: [...roots, ...extra],
      ...work(options),
      ...(options.password !== undefined && { password: options.password }),
      logger: this.#logger,
      onAccountRequests: (count) => {
        this.#accountRequests += count;
        this.#flushSoon();
      },
    });
    this.#gateway.activity.subscribe((record) => this.#report(record));
    const api = await this.#openApi(this.#gateway, authority.certificate, options);
    return { endpoint: this.#gateway.endpoint, files, authority: pems, ...(api !== undefined && { api }) };
  }

  /** Where the API cannot be had, the gateway goes on without it. */
  async #openApi(
    gateway: Gateway,
    caCertificate: string,
    { api }: StartOptions,
  ): Promise<StartResult["api"]> {
    if (api === undefined) {
      return undefined;
    }
    const management = new GatewayManagement(gateway, caCertificate, this.#writes);
    const listen = (port: number) => this.#startApi({ management, token: api.token, port });
    try {
      this.#api = await listen(api.port).catch((error: unknown) => {
        if (!api.anyPort || api.port === 0) {
          throw error;
        }
        return listen(0);
      });
    } catch (error) {
      const { code = "unknown fault" } = error as NodeJS.ErrnoException;
      return { fault: `Port ${api.port} cannot be had (${code}).` };
    }
    gateway.closePort(this.#api.port);
    return { port: this.#api.port };
  }

  /** The running gateway, where it does the work itself. */
  #ownWork(): Gateway {
    if (this.#isRelay) {
      throw new OneCliError(
        "bad-request",
        "The gateway relays to another, which has mappings and an account.",
      );
    }
    return this.#running();
  }

  #running(): Gateway {
    if (this.#gateway === undefined) {
      throw new OneCliError("internal", "The gateway does not run yet.");
    }
    return this.#gateway;
  }

  #report(record: ActivityRecord): void {
    this.#batch.push(record);
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#flushing ??= setTimeout(() => this.#flush(), batchInterval);
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    const records = this.#batch;
    const accountRequests = this.#accountRequests;
    this.#batch = [];
    this.#accountRequests = 0;
    if (records.length > 0 || accountRequests > 0) {
      this.#send({ type: "activity", records, accountRequests });
    }
  }

  #send(message: FromGateway): void {
    this.#port.postMessage(message);
  }

  #makeLogger(): Logger {
    const log =
      (level: Extract<FromGateway, { type: "log" }>["level"]) =>
      (message: string, ...details: unknown[]): void => {
        this.#send({ type: "log", level, message: [message, ...details.map(String)].join(" ") });
      };
    return {
      trace: log("trace"),
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
    };
  }
}

/** What is opened here, and the way out; a relay opens nothing, and has one way. */
function work(
  options: StartOptions,
): Pick<GatewayOptions, "mappings" | "storedSecrets" | "parentProxy" | "noProxy" | "relay"> {
  if (options.relay !== undefined) {
    const parentProxy = { ...parseParentProxy(options.relay.proxy), title: "team gateway" };
    return { mappings: [], storedSecrets: [], parentProxy, noProxy: [], relay: true };
  }
  return {
    mappings: usableMappings(options.mappings),
    storedSecrets: usableStoredSecrets(options.storedSecrets ?? []),
    parentProxy:
      options.parentProxy === undefined
        ? parentProxyOfEnvironment(process.env)
        : parseParentProxy(options.parentProxy, options.parentProxyAuthorization),
    noProxy: [...(options.noProxy ?? []), ...noProxyOfEnvironment(process.env)],
  };
}

/** The authority of the last time, or another where there is none or its time is over. */
async function usableAuthority(
  stored: AuthorityPems | undefined,
): Promise<{ pems: AuthorityPems; authority: CertificateAuthority }> {
  try {
    if (stored !== undefined) {
      return { pems: stored, authority: await CertificateAuthority.open(stored) };
    }
  } catch {
    // What cannot be used is replaced: only the terminals of this gateway trust it.
  }
  const pems = await createAuthority();
  return { pems, authority: await CertificateAuthority.open(pems) };
}

/** How long, in milliseconds, and how often a port is tried that another process may be about to give up. */
const portPatience = 5_000;
const portRetry = 100;

/** Listens on the wanted port; where it stays taken and `anyPort` allows it, on another. */
async function startOnPort(
  { port, anyPort }: StartOptions,
  options: Omit<GatewayOptions, "port">,
): Promise<Gateway> {
  const until = Date.now() + portPatience;
  for (;;) {
    try {
      return await Gateway.start({ ...options, port });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || anyPort !== true) {
        throw error;
      }
      if (Date.now() > until) {
        return await Gateway.start({ ...options, port: 0 });
      }
      await delay(portRetry);
    }
  }
}

/** Faults of the machine and of its settings, in words for the person at the editor. */
function explainStart(
  error: unknown,
  { port, parentProxy, parentProxySetting, relay }: StartOptions,
): unknown {
  if (error instanceof ParentProxyError) {
    if (relay !== undefined) {
      return new OneCliError("bad-request", `The URL of the team gateway's proxy ${error.message}.`);
    }
    const named = parentProxy === undefined ? "HTTPS_PROXY of the environment" : parentProxySetting;
    const source = named === undefined ? "" : ` (${named})`;
    return new OneCliError("bad-request", `The parent proxy${source} ${error.message}.`);
  }
  const { code = "unknown fault", syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) {
    return error;
  }
  const what =
    syscall === "listen" ? `Port ${port} cannot be had` : "The files of the gateway cannot be written";
  return new OneCliError("internal", `${what} (${code}).`, { cause: error });
}

function usableMappings(entries: readonly unknown[]) {
  const { mappings, problems } = parseMappings(entries);
  refuseBroken("Mapping", problems);
  return mappings;
}

function usableStoredSecrets(inputs: readonly StoredSecretWithValue[]): StoredSecret[] {
  const { storedSecrets, problems } = parseStoredSecrets(inputs.map(({ value, ...entry }) => entry));
  refuseBroken("Stored secret", problems);
  return storedSecrets.map((entry, index) => ({
    ...entry,
    value: new SecretValue(inputs[index]?.value ?? ""),
  }));
}

function refuseBroken(what: string, [problem]: readonly EntryProblem[]): void {
  if (problem !== undefined) {
    throw new OneCliError("bad-request", `${what} ${problem.index + 1}: ${problem.message}.`);
  }
}

function usableHost(text: string): Authority {
  try {
    return parseAuthority(text, httpsPort);
  } catch (error) {
    if (error instanceof HostnameError) {
      throw new OneCliError("bad-request", `The host ${error.message}.`);
    }
    throw error;
  }
}
