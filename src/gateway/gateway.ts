// Builds the gateway and owns all of it.
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Credential,
  type CredentialIndex,
  indexCredentials,
  isStored,
  sourceOf,
} from "../core/credentialIndex.ts";
import { type ErrorCode, OneCliError } from "../core/errors.ts";
import { explain, type Explanation } from "../core/explanation.ts";
import { type Authority } from "../core/hostname.ts";
import { type Mapping } from "../core/mapping.ts";
import { assertNotItself, type ParentProxy } from "../core/parentProxy.ts";
import { type Clock, type Logger, type SecretBrowser, type SecretProvider } from "../core/ports.ts";
import { formatSecretReference, type SecretReference } from "../core/secretReference.ts";
import { type StoredSecret } from "../core/storedSecret.ts";
import { type GatewayEndpoint } from "../core/terminalEnvironment.ts";
import { OnePassword } from "../secrets/onePassword.ts";
import { Resolver } from "../secrets/resolver.ts";
import { parseServiceAccountToken, type ServiceAccountToken } from "../core/serviceAccountToken.ts";
import { systemClock } from "../secrets/systemClock.ts";
import { type ActivityRecord } from "../shared/gatewayProtocol.ts";
import { type ServerIdentity } from "../shared/serverIdentity.ts";
import { version } from "../shared/version.ts";
import { AccountTraffic } from "./accountTraffic.ts";
import { Activity } from "./activity.ts";
import { type CertificateAuthority } from "./certificateAuthority.ts";
import { type HeadLimits } from "./connections.ts";
import { type Agent, Credentials } from "./credentials.ts";
import { Dialer } from "./dialer.ts";
import { type ExchangeServices } from "./exchange.ts";
import { Interceptor } from "./interceptor.ts";
import { InternalSite } from "./internalSite.ts";
import { parseNoProxy } from "./noProxy.ts";
import { ProxyServer } from "./proxyServer.ts";
import { Trust } from "./tlsConnection.ts";
import { Upstream } from "./upstream.ts";
import { WebSockets } from "./webSockets.ts";

/** Milliseconds that requests in flight get when the gateway stops. */
const drainTime = 5_000;

/** User name of the gateway's own credential. */
export const username = "onecli";

export interface GatewayOptions {
  readonly mappings: readonly Mapping[];
  readonly storedSecrets?: readonly StoredSecret[];
  readonly authority: CertificateAuthority;
  /** PEM: all that certificates of servers are verified against. */
  readonly trustedRoots: readonly string[];
  readonly parentProxy?: ParentProxy | undefined;
  /**
   * `true`: the parent proxy is another gateway, which does all the work. Nothing is opened here, and onecli.internal is
   * the other's.
   */
  readonly relay?: boolean;
  /** What is reached without the parent proxy, in lists as NO_PROXY has them. */
  readonly noProxy?: readonly string[];
  /** Address to listen on; 127.0.0.1 without it. */
  readonly host?: string;
  /** 0 for any free port. */
  readonly port?: number;
  /** With it, clients speak TLS to the proxy itself. */
  readonly tls?: ServerIdentity | undefined;
  /** Who else may use the gateway, beside its own credential. */
  readonly agents?: readonly Agent[];
  /** `true`: other machines reach it. Its own credential is not accepted then. */
  readonly isBeyondLoopback?: boolean;
  /** Of an earlier run, so that its terminals go on working; a fresh one of 256 bits otherwise. */
  readonly password?: string;
  readonly logger: Logger;
  /** Told how each question to 1Password has ended. */
  readonly onQuestion?: (outcome: ErrorCode | "ok") => void;
  /** Told of requests to 1Password that count against its limits. */
  readonly onAccountRequests?: (count: number) => void;
  readonly clock?: Clock;
  /** Milliseconds; the defaults are those of the gateway's contract. */
  readonly limits?: Partial<HeadLimits> & { readonly connect?: number };
}

/** A connected account; the gateway that was given it lets go of it. */
export type Account = SecretProvider &
  SecretBrowser & {
    /** How it is shown to people. */
    readonly name: string;
    dispose(): void;
  };

export class Gateway {
  readonly activity: Activity;
  readonly endpoint: GatewayEndpoint;
  /** Whether clients speak TLS to the proxy itself. */
  readonly usesTls: boolean;
  readonly #accountTraffic: AccountTraffic;
  readonly #closedPorts: Set<number>;
  readonly #onAccountRequests: (count: number) => void;
  readonly #interceptor: Interceptor;
  readonly #internalSite: InternalSite;
  readonly #proxy: ProxyServer;
  readonly #resolver: Resolver;
  readonly #upstream: Upstream;
  readonly #webSockets: WebSockets;
  readonly #state: GatewayState;
  #account: Account | undefined;
  #stopped: Promise<void> | undefined;

  private constructor(parts: {
    accountTraffic: AccountTraffic;
    activity: Activity;
    endpoint: GatewayEndpoint;
    usesTls: boolean;
    closedPorts: Set<number>;
    onAccountRequests: (count: number) => void;
    interceptor: Interceptor;
    internalSite: InternalSite;
    proxy: ProxyServer;
    resolver: Resolver;
    upstream: Upstream;
    webSockets: WebSockets;
    state: GatewayState;
  }) {
    this.#accountTraffic = parts.accountTraffic;
    this.activity = parts.activity;
    this.endpoint = parts.endpoint;
    this.usesTls = parts.usesTls;
    this.#closedPorts = parts.closedPorts;
    this.#onAccountRequests = parts.onAccountRequests;
    this.#interceptor = parts.interceptor;
    this.#internalSite = parts.internalSite;
    this.#proxy = parts.proxy;
    this.#resolver = parts.resolver;
    this.#upstream = parts.upstream;
    this.#webSockets = parts.webSockets;
    this.#state = parts.state;
  }

  /**
   * Listens. Nothing is asked of 1Password.
   * @throws Error with Node's code (`EADDRINUSE`) where the port cannot be had; ParentProxyError where the parent proxy
   * is this gateway.
   */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { isBeyondLoopback = false, logger, limits } = options;
    const activity = new Activity();
    const resolver = new Resolver(options.clock ?? systemClock, {}, options.onQuestion);
    const trust = new Trust(options.trustedRoots);
    const noProxy = parseNoProxy(options.noProxy ?? []);
    for (const entry of noProxy.broken) {
      logger.warn(
        `${JSON.stringify(entry)} in noProxy names no host and no range of addresses; it is left out.`,
      );
    }
    const closedPorts = new Set<number>();
    const dialer = new Dialer({ parentProxy: options.parentProxy, noProxy, trust, closedPorts });
    const way = {
      dialer,
      trust,
      ...(limits?.connect !== undefined && { connectTimeout: limits.connect }),
    };
    const upstream = new Upstream(way);
    const state = new GatewayState(options.storedSecrets ?? [], options.mappings);
    const services: ExchangeServices = {
      credentialFor: (authority, target) => state.credentialFor(authority, target),
      resolve: (credential) =>
        isStored(credential)
          ? { value: credential.value }
          : (resolver.cached(credential.reference) ?? resolver.resolve(credential.reference)),
      upstream,
      webSockets: new WebSockets(),
      activity,
      isStopping: () => state.stopping,
      logger,
    };
    const { webSockets } = services;
    const shared = { services, logger, ...(limits !== undefined && { limits }) };
    const interceptor = new Interceptor({ authority: options.authority, isBeyondLoopback, ...shared });
    const password = options.password ?? randomBytes(32).toString("base64url");
    const internalSite = new InternalSite({ authority: options.authority, state, activity, logger });
    const own = isBeyondLoopback ? undefined : { username, password };
    const proxy = new ProxyServer({
      host: options.host ?? "127.0.0.1",
      port: options.port ?? 0,
      tls: options.tls,
      credentials: new Credentials(own, options.agents ?? []),
      interceptor,
      internalSite: options.relay === true ? undefined : internalSite,
      ...shared,
    });
    await proxy.listen();
    try {
      if (options.parentProxy !== undefined) {
        assertNotItself(options.parentProxy, proxy.port);
      }
    } catch (error) {
      void proxy.drain();
      await proxy.closeAll();
      throw error;
    }
    const endpoint = { port: proxy.port, username, password };
    const accountTraffic = new AccountTraffic({ ...way, logger });
    const parts = {
      accountTraffic,
      closedPorts,
      interceptor,
      internalSite,
      proxy,
      resolver,
      upstream,
      webSockets,
      state,
    };
    const { onAccountRequests = () => undefined } = options;
    const usesTls = options.tls !== undefined;
    return new Gateway({ activity, endpoint, usesTls, onAccountRequests, ...parts });
  }

  /** An account whose requests to 1Password go the gateway's way. Nobody is asked yet. */
  newAccount(token: ServiceAccountToken): OnePassword {
    const connectionFailure = () => this.#accountTraffic.failure;
    return new OnePassword({
      token,
      integrationVersion: version,
      connectionFailure,
      onRequests: this.#onAccountRequests,
    });
  }

  /** From now on references are resolved here; values of an earlier source are forgotten. */
  connect(account: Account): void {
    this.#account?.dispose();
    this.#account = account;
    this.#state.connected = true;
    this.#internalSite.accountChanged();
    this.#resolver.connect(account);
  }

  /**
   * {@link connect} for another token of the account in use: questions under way are still answered by the earlier one,
   * so no request in flight notices.
   */
  async replace(account: Account): Promise<void> {
    const earlier = this.#account;
    this.#account = account;
    this.#state.connected = true;
    this.#internalSite.accountChanged();
    await this.#resolver.replace(account);
    earlier?.dispose();
  }

  disconnect(): void {
    this.#account?.dispose();
    this.#account = undefined;
    this.#state.connected = false;
    this.#internalSite.accountChanged();
    this.#resolver.disconnect();
  }

  /** Nobody gets to this port of this machine through the proxy. */
  closePort(port: number): void {
    this.#closedPorts.add(port);
  }

  get mappings(): readonly Mapping[] {
    return this.#state.mappings;
  }

  get isStopping(): boolean {
    return this.#state.stopping;
  }

  /** How the connected account is shown to people. */
  get accountName(): string | undefined {
    return this.#account?.name;
  }

  /** How the last request of a mapping fared under this account. */
  lastOutcome(mapping: Mapping): ErrorCode | "ok" | undefined {
    return this.#internalSite.lastOutcome(mapping);
  }

  /** The names in the connected account. @throws OneCliError `not-connected` */
  get browser(): SecretBrowser {
    if (this.#account === undefined) {
      throw new OneCliError("not-connected", "No 1Password Service Account is connected.");
    }
    return this.#account;
  }

  /**
   * Reads the secret behind a reference from its source, as the next request would after an invalidation.
   * @throws OneCliError as for a request.
   */
  async test(reference: SecretReference): Promise<void> {
    this.#resolver.invalidate(reference);
    await this.#resolver.resolve(reference);
  }

  /** Makes the next use of a reference, or of all, a fresh question to 1Password. */
  invalidate(reference?: SecretReference): void {
    this.#resolver.invalidate(reference);
  }

  /** Milliseconds since the cached value of a reference was read. */
  cacheAge(reference: SecretReference): number | undefined {
    return this.#resolver.age(reference);
  }

  /**
   * Takes effect with the next request: values of references that are gone are dropped, tunnels to hosts that are
   * mapped now and intercepted connections to hosts that no longer are get closed.
   */
  setMappings(mappings: readonly Mapping[]): void {
    const kept = new Set(mappings.map(({ reference }) => formatSecretReference(reference)));
    for (const { reference } of this.#state.mappings) {
      if (!kept.has(formatSecretReference(reference))) {
        this.#resolver.invalidate(reference);
      }
    }
    this.#state.mappings = mappings;
    this.#credentialsChanged();
  }

  /** Takes effect as {@link setMappings}; the values that were there before are forgotten. */
  setStoredSecrets(storedSecrets: readonly StoredSecret[]): void {
    this.#state.storedSecrets = storedSecrets;
    this.#credentialsChanged();
  }

  /** Which secret a request would get, and why. @param path path and query. */
  explain(authority: Authority, path: string): Explanation & { cacheAge?: number } {
    const { storedSecrets, mappings } = this.#state;
    const explanation = explain(authority, path, storedSecrets, mappings);
    const winner = explanation.result === "injected" ? this.#state.credentialFor(authority, path) : undefined;
    const age = winner === undefined || isStored(winner) ? undefined : this.cacheAge(winner.reference);
    return { ...explanation, ...(age !== undefined && { cacheAge: age }) };
  }

  #credentialsChanged(): void {
    this.#state.reindex();
    const isMapped = (authority: Authority) => this.#state.credentialFor(authority) !== undefined;
    this.#proxy.tunnels.closeMapped(isMapped);
    this.#interceptor.closeUnmapped(isMapped);
    this.#webSockets.closeUnmapped(isMapped);
  }

  /** Takes effect at once: what was opened by a credential that is gone is closed. */
  setAgents(agents: readonly Agent[]): void {
    this.#proxy.setAgents(agents);
  }

  /** The certificate that connections to come are shown; without effect where clients do not speak TLS to the proxy. */
  setIdentity(identity: ServerIdentity): void {
    this.#proxy.setIdentity(identity);
  }

  /** Connections of clients, and those of them that are tunnels. */
  get load(): { readonly connections: number; readonly tunnels: number } {
    return { connections: this.#proxy.connections.size, tunnels: this.#proxy.tunnels.size };
  }

  /** Refuses what is new, gives requests in flight five seconds, then closes everything. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#state.stopping = true;
    const idle = Promise.all([this.#proxy.drain(), this.#interceptor.drain()]);
    const limit = new AbortController();
    // A tunnel shows nothing of its requests; it lives as long as the last request that can be seen.
    await Promise.race([idle, delay(drainTime, undefined, { signal: limit.signal }).catch(() => undefined)]);
    limit.abort();
    this.#internalSite.close();
    this.#webSockets.destroyAll();
    this.#interceptor.destroyAll();
    await this.#proxy.closeAll();
    this.disconnect();
    await Promise.all([this.#accountTraffic.close(), this.#upstream.close()]);
  }
}

/** Resolves with a token from now on; 1Password is asked at the first need. @throws OneCliError `token-invalid` */
export function useAccount(gateway: Gateway, token: string): void {
  gateway.connect(gateway.newAccount(parseServiceAccountToken(token)));
}

/**
 * Signs in with a pasted token and, if that and the listing of vaults succeed, resolves with it from now on.
 * @throws OneCliError, and everything stays as it was.
 */
export async function connectAccount(
  gateway: Gateway,
  pastedToken: string,
): Promise<{ account: string; vaults: number }> {
  const account = gateway.newAccount(parseServiceAccountToken(pastedToken));
  try {
    const verified = await account.verify();
    gateway.connect(account);
    return verified;
  } catch (error) {
    account.dispose();
    throw error;
  }
}

/** What the running parts look up at each request. */
class GatewayState {
  stopping = false;
  connected = false;
  storedSecrets: readonly StoredSecret[];
  mappings: readonly Mapping[];
  credentialFor: CredentialIndex = () => undefined;
  #byId = new Map<string, Credential>();

  constructor(storedSecrets: readonly StoredSecret[], mappings: readonly Mapping[]) {
    this.storedSecrets = storedSecrets;
    this.mappings = mappings;
    this.reindex();
  }

  get credentials(): readonly Credential[] {
    return [...this.storedSecrets, ...this.mappings];
  }

  /** The one that an activity record names. */
  credentialOf({ source, mapping }: Pick<ActivityRecord, "source" | "mapping">): Credential | undefined {
    return this.#byId.get(`${source ?? ""} ${mapping ?? ""}`);
  }

  reindex(): void {
    this.credentialFor = indexCredentials(this.storedSecrets, this.mappings);
    this.#byId = new Map(
      this.credentials.map((credential) => [`${sourceOf(credential)} ${credential.id}`, credential]),
    );
  }
}
